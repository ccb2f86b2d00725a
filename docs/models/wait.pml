/*
 * The wait that every model shares: the event count, the sleep in the kernel, and the loop of the
 * goroutine that leads. A model defines, before it includes this file,
 *
 *	WAITERS         how many wait, numbered from 0
 *	EXCLUSIVE       1: a signal wakes one; 0: all
 *	NEEDED          1: signallers publish with plain stores (Wait.Asymmetric)
 *	LOCKED          what a locked instruction does to the store buffer of its CPU
 *	ODD             sleeps that end for no reason
 *	NET             when a long sleep may end by its time, as often as it likes
 *	ARRIVED         when a short sleep may
 *	GIVENUP(w)      the context of w is over
 *
 * and the steps try(w), mourn(w) and watchOthers(w). Each step names the function that it stands for, as
 * "file: function"; a test looks whether it is still there.
 */

#define TIMEDOUT 1 /* internal/futex/futex.go: Wait (an Outcome; all others are 0: look again) */

/* internal/futex/event.go: (*Event).Word. Only its change means anything, so instead of the number
 * there is, for each waiter, whether it moved since he sampled it. */
bit moved[WAITERS] = 1;

bit markAsleep; /* internal/futex/event.go: (*Event).Asleep */
bit markFence;  /* internal/futex/event.go: (*Event).Fenced */

bit sleeping[WAITERS]; /* kernel: in the queue of the futex */
bit poked[WAITERS];    /* internal/futex/sleeper.go: (*Sleeper).Poke */

/* How many sleeps end for no reason (a signal of the Go runtime) or by the safety net, which nobody may
 * depend on. */
byte odd = ODD;

/* internal/futex/event.go: (*Event).Idle */
#define IDLE (!markAsleep && !markFence)

/* internal/futex/sleeper.go: (*Sleeper).Poke */
inline poke(who)
{
	d_step { poked[who] = 1; sleeping[who] = 0 }
}

/* kernel: FUTEX_WAKE of one sleeper, whichever */
inline wakeOne()
{
	atomic {
		if
		:: sleeping[0] -> sleeping[0] = 0
#if WAITERS > 1
		:: sleeping[1] -> sleeping[1] = 0
#endif
#if WAITERS > 2
		:: sleeping[2] -> sleeping[2] = 0
#endif
#if WAITERS > 3
		:: sleeping[3] -> sleeping[3] = 0
#endif
		:: else
		fi
	}
}

/* kernel: FUTEX_WAKE of all sleepers */
inline wakeAll()
{
	d_step {
		sleeping[0] = 0;
#if WAITERS > 1
		sleeping[1] = 0;
#endif
#if WAITERS > 2
		sleeping[2] = 0;
#endif
#if WAITERS > 3
		sleeping[3] = 0;
#endif
	}
}

/* internal/futex/event.go: (*Event).wake, its addition */
inline move()
{
#ifndef BREAK_SEQUENCE
	d_step {
		moved[0] = 1;
#if WAITERS > 1
		moved[1] = 1;
#endif
#if WAITERS > 2
		moved[2] = 1;
#endif
#if WAITERS > 3
		moved[3] = 1;
#endif
	}
#else
	skip
#endif
}

/* internal/futex/event.go: (*Event).wake
 * LOCKED is what a locked instruction does to the store buffer, where there is one. */
inline wake(all)
{
	d_step { LOCKED; markAsleep = 0 };
	move();
#ifndef BREAK_WAKE
	if
	:: all -> wakeAll()
	:: else -> wakeOne()
	fi
#endif
}

/* internal/futex/event.go: (*Event).Signal */
inline signal()
{
	if
	:: markAsleep -> wake(0)
	:: else
	fi
}

/* internal/futex/event.go: (*Event).Broadcast */
inline broadcast()
{
	if
	:: markAsleep -> wake(1)
	:: else
	fi
}

/* internal/futex/event.go: (*Event).Rouse */
inline rouse() { wake(1) }

/* internal/futex/event.go: (*Event).Pass */
inline pass()
{
	markAsleep = 1
}

/* internal/futex/event.go: (*Event).PassOn */
inline passOn()
{
#ifdef BREAK_PASSON
	skip
#else
	wake(0)
#endif
}

/* What a goroutine has on its stack in lead:
 * internal/segment/wait.go: (*Point).lead, internal/segment/wait_fence.go: (*fence).raise */
#define LEADS \
	bit quiet, raised, demanded, slept, ok, given, over, again, out, brief; \
	byte due

/* internal/segment/wait.go: (*Point).lead
 * A step ends where another process may see what it did, or where the next depends on others; what is
 * this goroutine's own is done on the way. */
inline lead(w)
{
	do
	::
		/* internal/futex/sleeper.go: (*Sleeper).Clear
		 * internal/segment/wait.go: (*Point).over, internal/segment/wait_fence.go: (*fence).announced
		 * internal/futex/event.go: (*Event).Announce, its load */
		d_step {
			poked[w] = 0;
			given = GIVENUP(w);
#ifndef BREAK_STALE
			raised = raised && !moved[w];
#endif
#ifndef BREAK_SAMPLE
			moved[w] = 0
#endif
		};
		atomic {
			if
			:: given -> goto leaving
			:: else
			fi;
			/* internal/futex/event.go: (*Event).Announce, its or: a full fence */
#ifdef BREAK_ANNOUNCE
			markAsleep = markAsleep || !slept
#else
			markAsleep = 1
#endif
		};
		/* (*fence).linger, another look right behind this one, is this one, a little later:
		 * internal/segment/wait_fence.go: (*fence).linger */
		atomic {
			try(w);
			if
			:: ok && slept && EXCLUSIVE -> goto served
			:: ok && !(slept && EXCLUSIVE) -> goto left
#if NEEDED
			:: !ok && quiet && !raised
			:: else -> goto mourning
#else
			:: else
#endif
			fi
		};
#if NEEDED
		raise(w);
#ifndef BREAK_LOOK
		atomic {
			try(w);
			if
			:: ok -> goto left
			:: else
			fi
		};
#endif
mourning:
		skip; /* a jump from one atomic step to another would make one of the two */
#endif
		mourn(w);
		if
		:: over || again
		:: else -> watchOthers(w)
		fi;
		/* kernel: a wait on the word, which compares when it has queued up, so it is one step there, too. A
		 * poke moves the word as a signal does, and is a word of its own here: that others, who are about
		 * to sleep, look once more for it, is left out.
		 * internal/futex/sleeper.go: (*Sleeper).Sleep
		 * internal/futex/futex_linux.go: wait */
		atomic {
			if
			:: over -> goto left
			:: else
			fi;
#ifdef BREAK_SAMPLE
			moved[w] = 0; /* the sequence is sampled after the look */
#endif
			brief = NEEDED && !quiet;
			sleeping[w] = !again && !moved[w] && !poked[w]
		};
		atomic {
			if
			:: again -> again = 0; out = quiet
			:: !again && !sleeping[w] -> out = 0; slept = EXCLUSIVE
			:: sleeping[w] && brief && ARRIVED -> sleeping[w] = 0; out = TIMEDOUT
			:: sleeping[w] && !brief && NET -> sleeping[w] = 0; out = TIMEDOUT; slept = EXCLUSIVE
			:: sleeping[w] && odd > 0 ->
				sleeping[w] = 0;
				odd--;
				slept = EXCLUSIVE;
				if
				:: out = 0
				:: !brief -> out = TIMEDOUT
				fi
			fi;
			/* internal/segment/wait_fence.go: (*fence).slept */
			quiet = out;
			raised = raised && quiet;
			out = 0;
			brief = 0;
			due = 0
		}
	od;
leaving:
	atomic {
		gaveUp(w);
		if
		:: slept && EXCLUSIVE
		:: else -> goto left
		fi
	};
	passOn();
	goto left;
served:
	pass();
left:
	/* Nobody looks at moved before it is sampled again. */
	atomic { moved[w] = 1; quiet = 0; raised = 0; demanded = 0; slept = 0; ok = 0; given = 0; over = 0; due = 0 }
}
