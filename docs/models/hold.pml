/*
 * The bias of the head of a lane of a ring of any number of ends (mpmc.pml): who has it pops with plain stores to its
 * claim, which leave its store buffer in their order, when they like; whoever else wants a value revokes it, has all
 * buffers emptied by a barrier, and looks at the claim. All values are there from the beginning. Anybody may die
 * anywhere, or stop for ever (which is to be slow).
 *
 * What is asserted: each value is popped once, in their order, and none is left out. That a dead process holds up the
 * others is an invalid end state.
 */

#ifndef POPPERS
#define POPPERS 2
#endif
#ifndef TOTAL
#define TOTAL 4
#endif
#ifndef DEATHS
#define DEATHS 1
#endif

/* ring/mpmc_layout.go: lane, seat */
byte pos;            /* the head: the position, or where the bias was got */
byte owner;          /* in the same word: 1 + the process that has the bias */
byte state;          /* in the same word */
byte claim[POPPERS]; /* 2 * position, and 1 */
/* ring/mpmc_bias.go: stateLocked, stateBiased, stateRevoked, stateDrained */
#define PLAIN 0
#define BIASED 1
#define REVOKED 2
#define DRAINED 3
#define SAME (pos == p && owner == o && state == s)

bit dead[POPPERS];
byte deaths;
byte came; /* values popped */

/* hardware: what each has stored to its claim that others do not see yet */
chan buffer[POPPERS] = [4] of { byte };

inline drain(b)
{
	do
	:: nempty(buffer[b]) -> buffer[b]?claim[b]
	:: empty(buffer[b]) -> break
	od
}

proctype Buffer(byte who)
{
end:	do
	:: atomic { nempty(buffer[who]) -> buffer[who]?claim[who] }
	od
}

/* the proof of a death comes after the last store */
#define die(me) atomic { deaths < DEATHS -> deaths++; drain(me); dead[me] = 1; goto over }

#define pop(at) assert(at == came); came++

/* ring/mpmc_hold.go: (*MPMC).unseat, with its barrier: internal/futex/fence.go: Barrier */
inline unseat(me)
{
	if
	:: s == BIASED -> atomic { drain(me); if :: SAME -> state = REVOKED :: else fi }
	:: s == REVOKED ->
#ifndef BREAK_FENCE
		atomic {
			q = 0;
			do
			:: q < POPPERS -> drain(q); q++
			:: else -> break
			od;
			q = 0
		};
#endif
		atomic { drain(me); if :: SAME -> state = DRAINED :: else fi }
	:: s == DRAINED ->
		/* ring/mpmc_hold.go: claimed */
		k = claim[o - 1];
#ifndef BREAK_CLAIM
		if
		:: k % 2 == 1 && !dead[o - 1] ->
			/* whoever sleeps is woken behind the pop, or by the death */
			(claim[o - 1] != k || dead[o - 1] || !SAME)
		:: else ->
#endif
#ifndef BREAK_AGAIN
			if
			:: k % 2 == 1 -> k = claim[o - 1]
			:: else
			fi;
#endif
			atomic { drain(me); if :: SAME -> pos = k / 2; owner = 0; state = PLAIN :: else fi }
#ifndef BREAK_CLAIM
		fi
#endif
	fi;
	k = 0
}

proctype Popper(byte me)
{
	byte p, o, s, k, q, c, grant;
	bit bias; /* ring/mpmc.go: presence.hold */
	do
	:: came == TOTAL -> break
	:: came < TOTAL ->
		if
		:: bias ->
			/* ring/mpmc_pop.go: (*MPMC).Pop */
			buffer[me]!2 * c + 1;
			if
			:: die(me)
			:: true
			fi;
#ifndef BREAK_LOOK
			if
			:: pos == grant && owner == me + 1 && state == BIASED && c < TOTAL ->
#else
			if
			:: c < TOTAL ->
#endif
				if
				:: die(me)
				:: atomic { buffer[me]!2 * c + 2 -> pop(c); c++ }
				fi
			:: else -> buffer[me]!2 * c; bias = 0
			fi
		:: bias ->
			/* ring/mpmc_hold.go: (*MPMC).forgo */
			atomic {
				drain(me);
				if
				:: pos == grant && owner == me + 1 && state == BIASED -> pos = c; owner = 0; state = PLAIN
				:: else
				fi;
				bias = 0
			}
		:: !bias ->
			d_step { p = pos; o = owner; s = state };
			if
			:: s != PLAIN && o != me + 1 && dead[o - 1] ->
				/* ring/mpmc_hold.go: (*MPMC).vacate */
				k = claim[o - 1];
				if
				:: die(me)
				:: atomic { drain(me); if :: SAME -> pos = k / 2; owner = 0; state = PLAIN :: else fi }
				fi;
				k = 0
			:: s != PLAIN && (o == me + 1 || !dead[o - 1]) -> unseat(me)
			:: s == PLAIN && p < TOTAL ->
				/* ring/mpmc_pop.go: (*MPMC).popSwapped */
				atomic {
					drain(me);
					if
					:: SAME -> pop(p); pos = p + 1
					:: else -> goto next
					fi
				};
				/* ring/mpmc_hold.go: (*MPMC).adopt */
				if
				:: d_step { p = p + 1; grant = p; c = p };
					buffer[me]!2 * c;
					if
					:: die(me)
					:: atomic { drain(me); if :: SAME -> owner = me + 1; state = BIASED; bias = 1 :: else fi }
					fi
				:: true
				fi
			:: s == PLAIN && p == TOTAL -> skip
			fi;
next:			p = 0; o = 0; s = 0
		fi
	od;
	/* whoever is through may stop in the middle: of nobody is expected any more than that */
	atomic { drain(me) };
over:
	skip
}

init
{
	byte n;
	atomic {
		do
		:: n < POPPERS -> run Popper(n); run Buffer(n); n++
		:: else -> break
		od
	}
}
