/*
 * The ends of a pipe: one who sends, and hands its end on to another one, who sends, too, and one who receives until the end of
 * the stream. The shares of the end are words of which each is read alone. Both who send may close, or die anywhere, or once
 * the end is on its way (SENT) do not.
 *
 * How messages are put and taken is the matter of queue.pml, and plain stores are that of event.pml; here a message is one step.
 *
 * What is asserted: the end of the stream is not told while there is a message, and no message comes behind it. Nobody's sleep has
 * an end, so a receiver that is not told is an invalid end state; but whoever dies with an end that nobody can take any
 * more leaves the pipe open for ever (lost).
 */

#ifndef DEATHS
#define DEATHS 0
#endif

#define NOBODY 0
#define FIRST 1
#define SECOND 2
#define PASSING 3 /* settled: queue/pipe_share.go: (side).pass */

/* queue/pipe_layout.go: pipeState: those of the end that sends. Each is the place of a hold; here it is whose that is. That of one who
 * died is free as soon as he is swept. */
byte share[2];
byte serial;      /* queue/pipe_share.go: (side).add */
byte sent, taken; /* messages */
bit over;         /* the end of the stream was told */
bit lost;
byte deaths;

/* kernel, and internal/segment/wait_deaths.go: (*Segment).Swept, internal/segment/sweep.go: (*Segment).watch */
bit dead[3], swept[3], watched[3];

/* internal/futex/event.go: Event, and internal/futex/sleeper.go: (*Sleeper).Poke */
bit mark, moved, poked, asleep;
bit joined; /* internal/futex/event.go: (*Event).Join */

chan given = [1] of { bit };

/* internal/futex/event.go: (*Event).Broadcast */
inline broadcast()
{
	if
	:: mark -> mark = 0; moved = 1; asleep = 0
	:: else
	fi
}

/* internal/futex/event.go: (*Event).Rouse */
inline rouse() { mark = 0; moved = 1; asleep = 0 }

/* internal/segment/sweep.go: (*Segment).died */
inline die(me)
{
	atomic {
		deaths < DEATHS -> deaths++;
		dead[me] = 1;
		if
#ifndef BREAK_PUSH
		:: watched[me] -> swept[me] = 1; poked = 1; asleep = 0
#endif
		:: else
		fi;
		if
		:: holding -> lost = 1
		:: else
		fi;
		goto gone
	}
}

#define mayDie(me) \
	if \
	:: die(me) \
	:: skip \
	fi

/* queue/pipe_send.go: (*pipe).send
 * queue/pipe_lane.go: (lane).put */
inline put(me)
{
	atomic { assert(!over); sent++ };
	mayDie(me);
	broadcast()
}

/* queue/pipe.go: (*pipe).Close */
inline close(me, i)
{
	atomic {
		if
		:: share[i] == me -> share[i] = NOBODY
		:: else
		fi
	};
	mayDie(me)
#ifndef BREAK_ROUSE
	;
	rouse() /* queue/pipe.go: (*pipe).rouse */
#endif
}

proctype First()
{
	bit holding;
	put(FIRST);
	mayDie(FIRST);
	/* queue/pipe.go: (*pipe).End
	 * queue/pipe_share.go: (side).pass */
	serial++;
	mayDie(FIRST);
	share[0] = FIRST; /* queue/pipe_share.go: (side).claim */
	mayDie(FIRST);
#ifndef BREAK_SERIAL
	serial++;
#endif
	mayDie(FIRST);
	atomic { share[0] = PASSING; holding = 1 }; /* internal/segment/block.go: (Block).Settle */
	mayDie(FIRST);
	atomic { given!1; holding = 0 };
	mayDie(FIRST);
	close(FIRST, 1);
gone:	skip
}

proctype Second()
{
	bit holding = 1, got;
	if
	:: given?got
	:: die(SECOND)
	:: atomic { dead[FIRST] && empty(given) } -> goto gone
	fi;
	mayDie(SECOND);
	/* queue/pipe.go: pipeOf
	 * internal/segment/wait.go: (*Point).join */
	joined = 1;
	if
	:: mark -> moved = 1; asleep = 0
	:: else
	fi;
	mayDie(SECOND);
	/* queue/pipe.go: PipeFrom */
	atomic { share[0] == PASSING -> share[0] = SECOND; holding = 0 };
	mayDie(SECOND);
	rouse();
	mayDie(SECOND);
	put(SECOND);
	mayDie(SECOND);
	close(SECOND, 0);
gone:	skip
}

#define counts(w) (w == PASSING_COUNTS || (w != NOBODY && w != PASSING && !swept[w]))
#ifdef BREAK_PASSING
#define PASSING_COUNTS 9
#else
#define PASSING_COUNTS PASSING
#endif

/* queue/pipe_share.go: (side).deserted
 * Each share is read alone, and the serial before and behind them. */
inline deserted()
{
	atomic { before = serial; w = share[0]; no = 1 };
	/* queue/pipe_share.go: (side).counts */
	do
	:: atomic { counts(w) -> no = 0; break }
	:: else ->
#ifdef BREAK_HANDS
		break
#else
		atomic {
			if
			:: share[0] == w -> break
			:: else -> w = share[0]
			fi
		}
#endif
	od;
	if
	:: !no
	:: else ->
		w = share[1];
		atomic { if :: counts(w) -> no = 0 :: else fi };
		atomic { if :: serial != before -> no = 0 :: else fi }
	fi
}

/* queue/pipe_share.go: (side).someone */
inline someone()
{
	w = share[0];
	if
	:: atomic { w != NOBODY && w != PASSING && !swept[w] -> who = w }
	:: else ->
		w = share[1];
		atomic { if :: w != NOBODY && w != PASSING && !swept[w] -> who = w :: else -> who = NOBODY fi }
	fi
}

/* queue/pipe_recv.go: (*pipe).recv */
proctype Receiver()
{
	byte before, w, who, seen;
	bit no;
again:
	atomic { before = 0; w = 0; who = 0; no = 0 };
	atomic {
		if
		:: taken < sent -> taken++; goto again
		:: else
		fi
	};
	deserted();
	if
	:: no ->
		/* what the last of them sent is there */
		atomic {
			if
#ifndef BREAK_AGAIN
			:: taken < sent -> taken++; goto again
#endif
			:: else -> assert(taken == sent); over = 1; goto end
			fi
		}
	:: else
	fi;
	/* queue/pipe.go: (*pipe).awaitItems
	 * internal/segment/wait.go: (*Point).lead */
	do
	::
		atomic { poked = 0; moved = 0; mark = 1; before = 0; w = 0; who = 0; no = 0 };
		if
		:: taken < sent -> break
		:: else
		fi;
		deserted();
		if
		:: no -> break
		:: else
		fi;
		/* internal/segment/wait_deaths.go: (*Point).mourn */
		someone();
		if
		:: who == NOBODY
		:: atomic { who != NOBODY && dead[who] -> swept[who] = 1 }; goto again
		:: atomic { who != NOBODY && !dead[who] -> watched[who] = 1 }
		fi;
#ifndef BREAK_OTHERS
		/* internal/segment/wait_deaths.go: (*Point).watchOthers */
		if
		:: seen == joined + 1 -> skip
		:: else ->
			seen = joined + 1;
			atomic { if :: dead[FIRST] -> swept[FIRST] = 1 :: else -> watched[FIRST] = 1 fi };
			if
			:: seen == 1
			:: atomic { seen == 2 && dead[SECOND] -> swept[SECOND] = 1 }
			:: atomic { seen == 2 && !dead[SECOND] -> watched[SECOND] = 1 }
			fi;
			goto again
		fi;
#endif
		asleep = !moved && !poked;
		if
		:: !asleep
		:: asleep && lost -> goto end
		fi
	od;
	goto again;
end:	skip
}

init {
	atomic {
		share[1] = FIRST;
		run First();
		run Second();
		run Receiver()
	}
}
