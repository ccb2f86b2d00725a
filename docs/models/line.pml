/*
 * The line of those of one process who wait at a point: one leads, and sleeps for all of them; the others queue up behind
 * it. Here they are parties of a barrier, who come to one phase after the other, and strangers, who wait for the end of
 * the phase under way, and may give up. A leader waits for what it came for; so if one leads that waits for what comes
 * when those behind it have been told, nobody goes on.
 *
 * That somebody is left in line without a leader, or behind one that waits for him, is an invalid end state. There are no
 * deaths: with the process, all of this is gone.
 */

#ifndef PARTIES
#define PARTIES 2
#endif
#ifndef STRANGERS
#define STRANGERS 1
#endif
#ifndef PHASES
#define PHASES 2
#endif
#define ALL (PARTIES + STRANGERS)
#define OWN ALL /* internal/segment/wait.go: Point (its waiter own) */
#define NOBODY (ALL + 1)

byte phase;       /* how many have ended */
byte came;
byte followers;   /* internal/segment/wait.go: Point */
bit taken;        /* internal/segment/wait_line.go: seat */
byte leader = NOBODY;
chan queue = [ALL] of { byte };
bit turn[ALL];
bit locked;

#define lock() atomic { !locked -> locked = 1 }
#define unlock() locked = 0

/* internal/segment/wait_line.go: (*seat).take */
inline take(who, got)
{
	atomic { got = !taken; taken = 1 };
	if
	:: got -> leader = who
	:: else
	fi
}

/* internal/segment/wait_line.go: (*Point).line */
inline line(me)
{
	w = OWN;
#ifndef BREAK_OWN
	if
	:: followers == 0 -> take(w, got)
	:: else -> got = 0
	fi;
#else
	take(w, got);
#endif
	if
	:: got -> skip
	:: else ->
		lock();
		d_step {
			w = me;
			if
			:: leader == me -> leader = NOBODY /* a new waiter */
			:: else
			fi
		};
#ifndef BREAK_COUNT
		followers++;
#endif
#ifndef BREAK_ORDER
		if
		:: empty(queue) -> take(w, got)
		:: nempty(queue) -> got = 0
		fi;
#else
		take(w, got);
#endif
#ifdef BREAK_COUNT
		followers++;
#endif
		if
		:: got -> followers--
		:: else -> queue!me; follows = 1
		fi;
		unlock()
	fi
}

/* internal/segment/wait_line.go: (*Point).handOn */
inline handOn()
{
	lock();
	if
	:: nempty(queue) ->
		queue?<next>;
		take(next, got);
		if
		:: got -> queue?next; followers--; turn[next] = 1
		:: else
		fi
	:: empty(queue)
	fi;
	unlock()
}

/* internal/segment/wait_line.go: (*Point).leave, (*Point).gaveUp, (*Point).unlink */
inline leave(me)
{
	got = 0;
	if
	:: leader != w ->
		lock();
		if
		:: leader != w -> queue??eval(me); followers--; got = 1
		:: else
		fi;
		unlock()
	:: else
	fi;
	if
	:: got -> skip
	:: else ->
#ifdef BREAK_FREE
		if
		:: followers > 0 -> taken = 0; handOn()
		:: else -> taken = 0
		fi
#else
		taken = 0;
		if
		:: followers > 0 -> handOn()
		:: else
		fi
#endif
	fi;
	got = 0;
	next = 0;
	w = 0;
	follows = 0
}

/* internal/segment/wait.go: (*Point).sit, for the end of phase p */
inline park(me, p, mayGiveUp)
{
	line(me);
	if
	:: follows ->
#ifndef BREAK_LOOK
		if
		:: phase > p -> skip
		:: else ->
#endif
			if
			:: turn[me] -> (phase > p || mayGiveUp)
			:: mayGiveUp
			fi
#ifndef BREAK_LOOK
		fi
#endif
	:: else -> (phase > p || mayGiveUp)
	fi;
	leave(me);
	turn[me] = 0
}

proctype Party(byte me)
{
	byte p, w, next;
	bit got, follows;
	do
	:: p < PHASES ->
		atomic {
			came++;
			if
			:: came == PARTIES * (p + 1) -> phase++; goto passed
			:: else
			fi
		};
		park(me, p, false);
passed:		assert(phase > p);
		p++
	:: else -> break
	od
}

proctype Stranger(byte me)
{
	byte p, w, next, n;
	bit got, follows;
	do
	:: n < PHASES ->
		p = phase;
		if
		:: p < PHASES -> park(me, p, true)
		:: else
		fi;
		n++
	:: else -> break
	od
}

init
{
	byte n;
	atomic {
		do
		:: n < PARTIES -> run Party(n); n++
		:: n >= PARTIES && n < ALL -> run Stranger(n); n++
		:: n == ALL -> break
		od
	}
}
