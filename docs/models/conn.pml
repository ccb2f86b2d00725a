/*
 * A link of a Listener: DIALLERS dial, ask, talk and hang up, or give up; one listens, answers, reads to the end, and closes or
 * not. One link, which all of them use one after the other. Anybody may die anywhere, DEATHS of them; who comes to a link that
 * is to be cleared clears it, and may die in that. At last somebody sweeps.
 *
 * What is asserted: nobody's ring is taken from him while he has an end; what was written is read before the end of the stream, or the
 * death, is told; and at last the link is free, and its rings are gone. A dialler that is neither answered nor refused
 * is an invalid end state. Who sleeps looks at what is waited for here: how he is woken is the matter of event.pml and hub.pml.
 */

#ifndef DIALLERS
#define DIALLERS 2
#endif
#ifndef DEATHS
#define DEATHS 1
#endif
#define LISTENER (DIALLERS + 1)
#define SWEEPER (DIALLERS + 2)

/* queue/conn_layout.go: phaseMask: the phase of the link, and of whom, or which */
#define FREE 0
#define MAKING 16
#define ASKING 32
#define ANSWERING 48
#define LINKED 64
#define CLEARING 80
#define phase(s) ((s) & 240)
#define whose(s) ((s) & 15)

/* queue/conn_layout.go: link, listenerState */
byte state, serial, ends[2];
byte ring; /* of which connection they are, 0: none */
byte holder = LISTENER;

/* ring/bytes.go: Bytes: one way of the connection */
byte sent, taken;
bit closed;

bit dead[DIALLERS + 3];
byte deaths, ended;

#define die(me) \
	atomic { deaths < DEATHS && me != SWEEPER -> deaths++; dead[me] = 1; goto over }

#define mayDie(me) \
	if \
	:: die(me) \
	:: skip \
	fi

/* queue/conn_link.go: (*calls).nobodys */
#define nobodys(e) ((e) == 0 || dead[e])

/* queue/conn_link.go: (*calls).forsaken */
#define forsaken(s) \
	f = 0; \
	if \
	:: phase(s) == FREE \
	:: phase(s) == LINKED -> \
		if \
		:: nobodys(ends[0]) -> f = nobodys(ends[1]) \
		:: else \
		fi \
	:: phase(s) == ANSWERING && dead[whose(s)] -> f = FORSAKEN \
	:: phase(s) != FREE && phase(s) != LINKED && phase(s) != ANSWERING -> f = dead[whose(s)] \
	:: else \
	fi
#ifdef BREAK_ANSWERING
#define FORSAKEN 1
#else
#define FORSAKEN nobodys(ends[0])
#endif

/* queue/conn_link.go: (*calls).clear */
#define clear(me, s) \
	if \
	:: atomic { state == s -> state = CLEARING + me }; \
		mayDie(me); \
		ring = 0; \
		mayDie(me); \
		ends[0] = 0; \
		mayDie(me); \
		ends[1] = 0; \
		mayDie(me); \
		state = FREE \
	:: atomic { state != s -> skip } \
	fi

/* queue/conn_link.go: (*calls).tidy */
#define tidy(me) \
	s = state; \
	forsaken(s); \
	if \
	:: f -> clear(me, s) \
	:: else \
	fi

/* queue/conn_link.go: (*calls).leave */
#define leave(me, end) \
	atomic { if :: ends[end] == me -> ends[end] = 0 :: else fi }; \
	mayDie(me); \
	s = state; \
	if \
	:: s == LINKED + which -> \
		forsaken(s); \
		if \
		:: f -> clear(me, s) \
		:: else \
		fi \
	:: else \
	fi

#define refused (holder == 0 || dead[holder])

/* queue/listener.go: dial */
proctype Dialler(byte me)
{
	byte s, which;
	bit f;
	/* queue/conn_link.go: (*calls).claim, (*calls).sweep */
	if
	:: atomic { state == FREE -> state = MAKING + me }
	:: else ->
		tidy(me);
		if
		:: atomic { state == FREE -> state = MAKING + me }
		:: atomic { state != FREE -> goto over }
		fi
	fi;
	mayDie(me);
	serial++;
	which = serial;
	mayDie(me);
	assert(ring == 0);
	/* queue/listener.go: (*calls).tryRings */
	atomic { ring = which; sent = 0; taken = 0; closed = 0 };
	mayDie(me);
#ifndef BREAK_ENDS
	ends[0] = me;
	mayDie(me);
#endif
	/* queue/listener.go: (*calls).ask */
	state = ASKING + me;
	mayDie(me);
	do
	:: s = state;
		if
		:: s == LINKED + which -> break
		:: else -> assert(s == ASKING + me || phase(s) == ANSWERING)
		fi;
		if
		:: atomic { state != s && phase(state) != ANSWERING -> skip }
		:: atomic { refused -> goto giveUp }
#ifdef CANCELS
		:: goto giveUp
#endif
		fi
	od;
#ifdef BREAK_ENDS
	ends[0] = me;
#endif
	/* queue/conn.go: (*Conn).Write, (*Conn).CloseWrite */
	do
	:: sent < 2 -> assert(ring == which); sent++; mayDie(me)
	:: closed = 1; break
	od;
	mayDie(me);
	/* queue/conn.go: (*Conn).Close */
	leave(me, 0);
	goto over;
giveUp:
	/* queue/listener.go: (*calls).giveUp */
	s = state;
	if
	:: s == LINKED + which -> leave(me, 0)
	:: else ->
		if
		:: atomic { state == ASKING + me -> state = MAKING + me };
			mayDie(me);
			clear(me, MAKING + me)
		:: atomic { state != ASKING + me -> skip };
			leave(me, 0);
			mayDie(me);
			tidy(me)
		fi
	fi;
over:	ended++
}

/* queue/listener.go: (*Listener).serve */
proctype Listener(byte me)
{
	byte s, which, from;
	bit f;
	do
	:: atomic { phase(state) == ASKING -> from = whose(state); state = ANSWERING + me };
		/* queue/listener.go: (*Listener).answer */
		mayDie(me);
		assert(ring != 0);
		which = serial;
		mayDie(me);
		ends[1] = me;
		mayDie(me);
		atomic { state == ANSWERING + me -> state = LINKED + which };
		mayDie(me);
		/* queue/conn.go: (*Conn).Read
		 * ring/end.go: (*end).wait */
		do
		:: assert(ring == which);
			if
			:: atomic { taken < sent -> taken++ }
			:: atomic { taken == sent -> skip };
				if
				:: atomic { closed || nobodys(ends[0]) -> skip };
#ifndef BREAK_AGAIN
					if
					:: taken < sent
					:: else -> break
					fi
#else
					break
#endif
				:: atomic { taken < sent -> skip }
				fi
			fi;
			mayDie(me)
		od;
		assert(taken == sent);
		leave(me, 1);
		mayDie(me)
	:: atomic { ended == DIALLERS -> break }
	:: holder = 0; /* queue/listener.go: (*Listener).Close */
		break
	od;
over:	ended++
}

/* queue/listener.go: listen: the next who listens there */
proctype Sweeper(byte me)
{
	byte s;
	bit f;
	ended == DIALLERS + 1;
	tidy(me);
	assert(state == FREE && ring == 0 && ends[0] == 0 && ends[1] == 0);
over:	skip
}

init {
	byte i = 1;
	atomic {
		do
		:: i <= DIALLERS -> run Dialler(i); i++
		:: else -> break
		od;
		run Listener(LISTENER);
		run Sweeper(SWEEPER)
	}
}
