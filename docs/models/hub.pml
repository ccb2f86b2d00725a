/*
 * A wait that is folded: one waiter who sleeps by the hub of its process, and one who sleeps directly on the
 * same event, in another process. A signaller gives as many tokens as there are waiters, one after the other,
 * and may be killed anywhere; another process rings the same doorbell for an event of its own. Nobody's sleep
 * has an end, so a wake-up that is lost is a waiter that sleeps for ever, and spin reports an invalid end
 * state. Signals are exclusive: one direct sleeper is woken, and all who are folded.
 */

#define FOLDED 0
#define DIRECT 1

byte tokens; /* the condition */

/* internal/futex/event.go: (*Event).Word, (*Event).Asleep
 * Of the sequence only the change means anything: whether it moved since each waiter sampled it. */
bit moved[2] = 1;
bit markAsleep, markFolded;

bit sleeping;  /* kernel: the direct waiter is in the queue of the futex */
bit poked[2];  /* internal/futex/sleeper.go: (*Sleeper).Poke, (*Sleeper).Mark */
bit counted;   /* internal/segment/wait_line.go: (*waiter).announce, (*waiter).over: the waiter is folded; seen in its process alone (SAME: the signaller's, too) */
bit listed;    /* internal/segment/hub.go: (*Segment).fold: the waiter is on the hub's list */
bit bell;      /* internal/segment/hub.go: (*bell).ring */

/* The doorbell: internal/segment/hub.go: (*Segment).doorbell */
bit doorMoved, doorMark, hubSleeps;
bit rung;      /* internal/futex/event.go: (*Event).Ring, (*Event).Rung: the bit of this event */

bit killed;    /* kernel: SIGKILL was sent to the signaller */
bit gone;      /* kernel: the proof of its death */

/* internal/segment/hub.go: (*hub).release
 * under the hub's lock, so it is one step with what comes before it */
inline release()
{
	listed = 0;
	bell = 1
}

/* internal/futex/event.go: (*Event).Ring
 * internal/segment/hub.go: (*mapping).ring */
inline ring(bitOfTheEvent)
{
	rung = rung | bitOfTheEvent;
#ifdef BREAK_DOORMARK
	/* whoever rings takes the mark away, as a signaller takes that of an event */
	d_step { marked = doorMark; doorMark = 0 };
#else
	d_step { marked = doorMark };
#endif
	if
	:: marked -> doorMoved = 1; hubSleeps = 0
	:: else
	fi
}

/* internal/futex/event.go: (*Event).Signal
 * internal/segment/wait.go: (*Point).Signal */
inline signal()
{
	if
#ifdef BREAK_MARKS
	:: markAsleep ->
#else
	:: markAsleep || markFolded -> /* internal/futex/event.go: (*Event).signal */
#endif
		d_step { wasAsleep = markAsleep; wasFolded = markFolded; markAsleep = 0; markFolded = 0 };
		d_step { moved[FOLDED] = 1; moved[DIRECT] = 1 };
		if
		:: wasAsleep -> sleeping = 0
		:: else
		fi;
#ifndef BREAK_RING
		if
#ifdef SAME
		:: wasFolded && counted -> ring(1) /* internal/segment/wait.go: (*Point).Ring */
#else
		:: wasFolded -> ring(1)
#endif
		:: else
		fi
#endif
	:: else
	fi
}

/* internal/segment/sweep.go: (*Segment).died
 * internal/segment/wait_line.go: (*Segment).pokeAll */
inline died()
{
	atomic {
		gone = 1;
		poked[DIRECT] = 1;
		sleeping = 0
	};
#ifndef BREAK_PUSH
	atomic {
		poked[FOLDED] = 1;
		if
		:: listed -> release()
		:: else
		fi
	}
#endif
}

proctype Signaller()
{
	byte n;
	bit wasAsleep, wasFolded, marked;
	{
		do
		:: n < 2 ->
			tokens++;
			n++;
			signal()
		:: else -> break
		od
	} unless {
		atomic { killed -> skip };
		died()
	}
}

/* Another process, which has nothing to do with the event, and is stopped or killed where it likes: it stops
 * behind any step. */
proctype Stranger()
{
	bit marked;
	{
		ring(0)
	} unless {
		atomic { killed -> skip }
	}
}

/* kernel: kills the signaller and the stranger anywhere, or not */
proctype Killer() { if :: killed = 1 :: skip fi }

/* internal/segment/wait.go: (*Point).lead
 * internal/segment/hub.go: (*Segment).fold */
proctype FoldedWaiter()
{
#if defined(SAME) && !defined(BREAK_COUNT)
	counted = 1;
#endif
	do
	::
		poked[FOLDED] = 0;
		moved[FOLDED] = 0; /* internal/futex/event.go: (*Event).AnnounceFolded, its load */
		markFolded = 1;
		atomic {
			if
			:: tokens > 0 -> tokens--; break
			:: tokens == 0 && gone -> break
			:: else
			fi
		};
		atomic {
			if
#ifndef BREAK_COMPARE
			:: moved[FOLDED] || poked[FOLDED] -> skip
			:: else -> listed = 1
#else
			:: listed = 1
#endif
			fi
		};
#ifdef BREAK_COUNT
		counted = 1;
#endif
		if
		:: listed || bell -> atomic { bell -> bell = 0 }
		:: else
		fi
	od;
	markAsleep = 1 /* internal/futex/event.go: (*Event).Pass */
}

/* internal/segment/wait.go: (*Point).lead
 * internal/futex/sleeper.go: (*Sleeper).Sleep */
proctype DirectWaiter()
{
	do
	::
		poked[DIRECT] = 0;
		moved[DIRECT] = 0; /* internal/futex/event.go: (*Event).Announce, its load */
		markAsleep = 1;
		atomic {
			if
			:: tokens > 0 -> tokens--; break
			:: tokens == 0 && gone -> break
			:: else
			fi
		};
		sleeping = !moved[DIRECT] && !poked[DIRECT];
		!sleeping
	od;
	markAsleep = 1 /* internal/futex/event.go: (*Event).Pass */
}

/* internal/segment/hub.go: (*Segment).serveRung */
inline serve()
{
	atomic {
		if
		:: look && listed && moved[FOLDED] -> release()
		:: else
		fi
	}
}

/* internal/segment/hub.go: (*Segment).serve */
proctype Hub()
{
	bit look;
	do
#ifndef DEATHS /* too many states */
	:: /* internal/segment/hub.go: (*Segment).linger */
		d_step { look = rung; rung = 0 };
		serve()
#endif
	::
		doorMoved = 0;
#ifdef BREAK_ORDER
		d_step { look = rung; rung = 0 };
		doorMark = 1;
#else
		doorMark = 1; /* internal/futex/event.go: (*Event).Announce */
		d_step { look = rung; rung = 0 };
#endif
		serve();
		hubSleeps = !doorMoved;
end:		!hubSleeps;
		doorMark = 0 /* internal/futex/event.go: (*Event).Recede */
	od
}

init {
	atomic {
		run FoldedWaiter();
		run DirectWaiter();
		run Hub();
		run Signaller();
#ifdef DEATHS
		run Stranger();
		run Killer();
#endif
	}
}
