/*
 * The mutex with recovery: processes that lock, unlock, and may die anywhere, recovery included; slots
 * with generations, their bytes, the sweep; a newcomer that takes a dead one's slot.
 *
 * What is asserted: nobody is in the critical section beside one who is not proven dead; the lock is
 * taken over from nobody but the dead; each death of a holder is told to one, and nobody gets in
 * between; after "not recoverable" nobody gets in. And nobody waits for ever: spin reports an invalid end
 * state. Sleeps have no end but a wake-up or the news of a death: there is no safety net.
 */

#ifndef CONTENDERS
#define CONTENDERS 3
#endif
#ifndef SLOTS
#define SLOTS CONTENDERS /* or one less: then the last is a newcomer, who takes the slot of somebody dead */
#endif
#ifndef ODD
#define ODD 0
#endif

/* Which processes may be killed, a bit for each. Those with a slot are alike, so that one who dies may as
 * well be the first. */
#ifdef DEATHS
#define MORTAL(p) ((DEATHS >> (p)) & 1)
#else
#define MORTAL(p) 0
#endif

#define WAITERS CONTENDERS
#define EXCLUSIVE 1 /* internal/segment/lock.go: (*Segment).LockAt */
#define NEEDED 0
#define ARRIVED 1
#define LOCKED skip

/* internal/segment/owner.go: makeOwner, OwnerOf
 * internal/segment/lock.go: (*Segment).LockAt. The flags of the word are its constants. */
#define OWNER(s, g) ((s) * 4 + (g)) /* generations go from 1 to 3 */
#define SLOT(o) ((o) >> 2)
#define GENERATION(o) ((o) & 3)
#define OWNEROF(word) ((word) & 31)
#define HOLDER(o) (GENERATION(o) == 1 -> SLOT(o) : CONTENDERS - 1) /* there is one newcomer at most */
#define INCONSISTENT 32
#define NOTRECOVERABLE 64

byte owner;              /* the word of the lock */
bit live[SLOTS];         /* internal/segment/owner.go: slotState, of each slot */
byte generation[SLOTS];
byte holds[SLOTS];       /* kernel: 1 + the process that has the lock on the slot's byte, 0 for none */
byte hub;                /* internal/futex/event.go: (*Event).Joined, its bits: slots */
byte joins;              /* and how often somebody joined */
byte seen[CONTENDERS];   /* internal/segment/wait_deaths.go: (*Point).watchOthers; its point's joined */
byte self[CONTENDERS];   /* internal/segment/segment.go: (*Segment).Self */

bit killed[CONTENDERS];  /* kernel: SIGKILL was sent */
bit dead[CONTENDERS];    /* kernel: its threads are gone, and a pidfd says so. Who was killed and is not
                          * gone yet is one who takes long for the next step. */

/* internal/segment/segment.go: Segment. For each process, of each other one: */
#define OF(p, q) ((p) * CONTENDERS + (q))
bit watches[CONTENDERS * CONTENDERS]; /* its death is pushed */
bit proven[CONTENDERS * CONTENDERS];  /* its pidfd was found readable */

bit cancelled[CONTENDERS]; /* the context is over */
#define GIVENUP(w) cancelled[w]
#define gaveUp(w) result = ABANDONED

/* What only the model knows. */
bit inside[CONTENDERS];    /* in the critical section, and not proven dead */
bit inherited[CONTENDERS]; /* the death of it as a holder was told */
bit damaged;               /* a holder died, and what the lock guards was not repaired */
bit spoiled;               /* not recoverable */
bit idle[CONTENDERS];      /* has nothing more to do, or is dead */

#define NET 0

mtype = { GOT, OWNERDIED, NEVER, ABANDONED };

#include "wait.pml"

/* internal/segment/lock.go: (*Lock).TryLock, (*Lock).LockSlow (its Try), stuck
 * The load before the swap only spares the swap. */
inline try(w)
{
	d_step {
		if
		:: owner == NOTRECOVERABLE -> ok = 1; result = NEVER
		:: owner == 0 -> owner = self[w]; ok = 1; result = GOT
		:: else -> ok = 0
		fi
	}
}

/* internal/segment/sweep.go: (*Segment).sweep
 * internal/liveness/lock_unix.go: TryLock, Unlock. What the process has locked already is no obstacle
 * to it, and can be unlocked by another of its goroutines. */
inline sweep(w, o)
{
	if
	:: SLOT(o) == SLOT(self[w])
	:: else ->
		if
		:: d_step { holds[SLOT(o)] == 0 || holds[SLOT(o)] == w + 1 -> holds[SLOT(o)] = w + 1 };
			/* internal/segment/sweep.go: sweepSlot, a swap */
			d_step {
				if
				:: live[SLOT(o)] && generation[SLOT(o)] == GENERATION(o) -> live[SLOT(o)] = 0
				:: else
				fi
			};
			d_step {
				if
				:: holds[SLOT(o)] == w + 1 -> holds[SLOT(o)] = 0
				:: else
				fi
			}
		:: else
		fi
	fi
}

/* internal/segment/sweep.go: (*Segment).Gone, (*Segment).provenDead
 * internal/liveness/lock_unix.go: Held
 * Of somebody alive it says no, whatever comes between its looks: what it says if he dies meanwhile it
 * also says if it begins after the death. */
inline gone(w, o)
{
	if
#ifdef BREAK_PROOF
	:: true -> dying = 1
#else
	:: !dead[HOLDER(o)] -> dying = 0
#endif
	:: else ->
		if
#ifdef BREAK_GENERATION
		:: !live[SLOT(o)] -> dying = 1
#else
		:: !(live[SLOT(o)] && generation[SLOT(o)] == GENERATION(o)) -> dying = 1
#endif
		:: else ->
			if
			:: proven[OF(w, HOLDER(o))] -> sweep(w, o); dying = 1
			:: else ->
				if
				:: holds[SLOT(o)] == 0 || holds[SLOT(o)] == w + 1 -> sweep(w, o); dying = 1
				:: else
				fi
			fi
		fi
	fi
}

/* internal/segment/lock.go: (*Lock).inherit, (*Lock).LockSlow (its Recover) */
inline inherit(w, o)
{
	d_step {
		if
		:: OWNEROF(owner) == o && o != 0 ->
			assert(dead[HOLDER(o)]);       /* nobody is robbed who lives, or may still store something */
			assert(!inherited[HOLDER(o)]); /* and each death is told once */
			inherited[HOLDER(o)] = 1;
			owner = self[w] | INCONSISTENT;
			result = OWNERDIED;
			over = 1
		:: else -> again = 1
		fi
	}
}

/* internal/segment/wait_deaths.go: (*Point).mourn */
inline mourn(w)
{
#ifndef DEATHS
	skip /* everybody lives, and is found so */
#else
	/* internal/segment/lock.go: (*Lock).LockSlow (its Peer)
	 * internal/segment/sweep.go: (*Segment).watch
	 * Who lives is found so before the watch is set, too: that may as well be here. */
	atomic {
		peer = OWNEROF(owner);
		if
		:: peer == 0 || peer == self[w] || !MORTAL(HOLDER(peer)) -> peer = 0 /* he will not die */
		:: else ->
			if
			:: !dead[HOLDER(peer)] ->
				if
				:: !watches[OF(w, HOLDER(peer))] -> watches[OF(w, HOLDER(peer))] = 1; prune(w)
				:: else
				fi
			:: else
			fi
		fi
	};
	if
	:: peer == 0
	:: else ->
		gone(w, peer);
		if
		:: dying -> inherit(w, peer)
		:: else
		fi
	fi;
	atomic { peer = 0; dying = 0 }
#endif
}

#define LEFT(w, q) (watches[OF(w, q)] && !(live[SLOT(self[q])] && generation[SLOT(self[q])] == GENERATION(self[q])))

/* internal/segment/sweep.go: (*Segment).prune */
inline pruneOne(w, q)
{
	if
	:: LEFT(w, q) ->
		watches[OF(w, q)] = 0;
#ifndef NO_PRUNEPOKE
		poked[w] = 1; /* internal/segment/wait_line.go: (*Segment).pokeAll */
		sleeping[w] = 0
#endif
	:: else
	fi
}

inline prune(w)
{
#ifdef DEATHS
	d_step {
		pruneOne(w, 0);
#if CONTENDERS > 1
		pruneOne(w, 1);
#endif
#if CONTENDERS > 2
		pruneOne(w, 2);
#endif
		skip
	}
#endif
}

/* internal/segment/wait_deaths.go: (*Point).watchOthers, of one slot
 * internal/segment/sweep.go: (*Segment).watch */
inline watchSlot(w, i)
{
	atomic {
		if
		:: ((joined >> (i)) & 1) && live[i] && i != SLOT(self[w]) -> peer = OWNER(i, generation[i])
		:: else -> peer = 0
		fi;
		if
		:: peer == 0
		:: else ->
			if
			:: !MORTAL(HOLDER(peer)) -> peer = 0
			:: MORTAL(HOLDER(peer)) && !dead[HOLDER(peer)] -> watches[OF(w, HOLDER(peer))] = 1; peer = 0
			:: else
			fi
		fi
	};
	if
	:: peer == 0
	:: else ->
		gone(w, peer);
		atomic { again = again || dying; peer = 0; dying = 0 }
	fi
}

/* internal/segment/wait_deaths.go: (*Point).watchOthers */
inline watchOthers(w)
{
#if defined(DEATHS) && !defined(NO_WATCH)
	if
	:: atomic { joins == seen[w] -> skip }
	:: atomic { joins != seen[w] -> joined = hub; count = joins };
#if !defined(NO_RECHECK)
		again = 1;
#endif
		watchSlot(w, 0);
#if SLOTS > 1
		watchSlot(w, 1);
#endif
#if SLOTS > 2
		watchSlot(w, 2);
#endif
		prune(w);
		atomic { seen[w] = count; count = 0; joined = 0 }
	fi
#else
	skip
#endif
}

/* internal/segment/wait.go: (*Point).join
 * internal/futex/event.go: (*Event).Join */
inline join(w)
{
	d_step { hub = hub | (1 << SLOT(self[w])); joins++ };
#ifndef NO_JOINROUSE
	if
	:: markAsleep -> rouse()
	:: else
	fi
#endif
}

/* internal/segment/segment.go: (*Segment).takeSlot, (*Segment).occupy */
inline attach(w)
{
	/* kernel: the lock on the byte decides */
	if
	:: d_step { holds[0] == 0 -> holds[0] = w + 1; slot = 0; idle[w] = 0 }
#if SLOTS > 1
	:: d_step { holds[1] == 0 -> holds[1] = w + 1; slot = 1; idle[w] = 0 }
#endif
#if SLOTS > 2
	:: d_step { holds[2] == 0 -> holds[2] = w + 1; slot = 2; idle[w] = 0 }
#endif
	fi;
	live[slot] = 0; /* internal/segment/sweep.go: sweepSlot */
	d_step {
		generation[slot]++;
		assert(generation[slot] <= 3);
		live[slot] = 1;
		self[w] = OWNER(slot, generation[slot]);
		slot = 0
	};
	join(w)
}

/* What the caller of sync/mutex.go: (*Mutex).Lock does first. */
inline enter(w)
{
	d_step {
		assert(!inside[0]);
#if CONTENDERS > 1
		assert(!inside[1]);
#endif
#if CONTENDERS > 2
		assert(!inside[2]);
#endif
		assert(!spoiled);
		assert(damaged == (result == OWNERDIED));
		inside[w] = 1
	}
}

/* internal/segment/lock.go: (*Lock).MarkConsistent */
inline markConsistent(w)
{
	assert(owner == (self[w] | INCONSISTENT));
	owner = self[w];
	damaged = 0
}

/* internal/segment/lock.go: (*Lock).UnlockSlow */
inline unlockSlow(w)
{
	d_step {
		assert(owner == (self[w] | INCONSISTENT));
		owner = NOTRECOVERABLE;
		spoiled = 1
	};
	rouse()
}

/* kernel: the bytes that a process has locked are free with its last descriptor */
inline release(v)
{
	d_step {
		if :: holds[0] == v + 1 -> holds[0] = 0 :: else fi;
#if SLOTS > 1
		if :: holds[1] == v + 1 -> holds[1] = 0 :: else fi;
#endif
#if SLOTS > 2
		if :: holds[2] == v + 1 -> holds[2] = 0 :: else fi;
#endif
		skip
	}
}

proctype Contender(byte w; bit attached)
{
	LEADS;
	mtype result;
	byte peer, slot, joined, count;
	bit dying;
	{
		if
		:: attached
		:: else ->
end:			attach(w)
		fi;
		do
		:: atomic {
			result == 0 -> /* as often as it likes */
			/* internal/segment/lock.go: (*Lock).TryLock. What is polled before lead is the same again:
			 * internal/segment/wait.go: (*Point).Wait */
			if
			:: owner == 0 -> owner = self[w]; result = GOT; goto got
			:: else
			fi;
#ifdef BARGER
			/* sync/mutex.go: (*Mutex).TryLock. It comes when the lock is free, or goes. */
			if
			:: w == BARGER -> goto finished
			:: else
			fi
#endif
		   };
			lead(w);
got:
			atomic {
				if
				:: result == GOT || result == OWNERDIED -> enter(w)
				:: result == NEVER -> assert(spoiled); goto finished
				:: result == ABANDONED -> goto finished
				fi
			};
			atomic {
				if
				:: result == OWNERDIED -> markConsistent(w)
				:: true /* it need not be repaired, or it could not be */
				fi
			};
			/* internal/segment/lock.go: (*Lock).Unlock, (*Lock).Release
			 * sync/mutex.go: (*Mutex).Unlock */
			atomic {
				inside[w] = 0;
				if
				:: owner == self[w] -> owner = 0
				:: else -> goto slow
				fi
			};
			/* internal/segment/lock.go: (*Lock).Unwanted, (*Lock).Wake. Two loads of the mark are as good
			 * as the later one. */
			signal();
			goto unlocked;
slow:
			skip;
			unlockSlow(w);
unlocked:
#ifdef ONCE
			goto finished
#else
			result = 0
#endif
#ifndef ONCE
		:: goto finished
#endif
		od;
finished:
		atomic { idle[w] = 1; result = 0 }
	} unless {
		if
		:: atomic {
			killed[w] ->
			dead[w] = 1;
			idle[w] = 1;
			inside[w] = 0;
			sleeping[w] = 0;
			damaged = damaged || (self[w] != 0 && OWNEROF(owner) == self[w]);
			release(w);
			result = 0; peer = 0; slot = 0; dying = 0; joined = 0; count = 0;
			slept = 0; ok = 0; given = 0; over = 0; again = 0
		   }
		fi
	}
}

/* internal/segment/sweep.go: (*Segment).died
 * A goroutine of its own for each process. Here it hears of one death after the other. */
proctype Listener(byte w)
{
	byte other;
	bit dying, over, again;
	mtype result;
	{
end:		do
		:: d_step { other == 0 && watches[OF(w, 0)] && dead[0] -> watches[OF(w, 0)] = 0; proven[OF(w, 0)] = 1; other = self[0] }
#if CONTENDERS > 1
		:: d_step { other == 0 && watches[OF(w, 1)] && dead[1] -> watches[OF(w, 1)] = 0; proven[OF(w, 1)] = 1; other = self[1] }
#endif
#if CONTENDERS > 2
		:: d_step { other == 0 && watches[OF(w, 2)] && dead[2] -> watches[OF(w, 2)] = 0; proven[OF(w, 2)] = 1; other = self[2] }
#endif
		:: other != 0 ->
			gone(w, other);
			/* internal/segment/wait_line.go: (*Segment).pokeAll */
#ifdef BREAK_PUSH
			d_step { other = 0; dying = 0 }
#else
			d_step { poked[w] = 1; sleeping[w] = 0; other = 0; dying = 0 }
#endif
		od
	} unless { dead[w] }
}

#ifdef DEATHS
#define STRIKES(v) !idle[v]

/* kernel: SIGKILL for somebody, anywhere. Who has nothing more to do is left alone. */
proctype Killer()
{
	do
	:: d_step { MORTAL(0) && !killed[0] && STRIKES(0) -> killed[0] = 1 }
#if CONTENDERS > 1
	:: d_step { MORTAL(1) && !killed[1] && STRIKES(1) -> killed[1] = 1 }
#endif
#if CONTENDERS > 2
	:: d_step { MORTAL(2) && !killed[2] && STRIKES(2) -> killed[2] = 1 }
#endif
	:: true -> break
	od
}
#endif

#ifdef BYSTANDER
/* internal/segment/sweep.go: (*Segment).died, (*Segment).prune
 * A process that is attached, and has no business with this lock: it may find any death, and sweep. And
 * of each process a goroutine that waits for something else: it may end watches of those who left. */
#define SWEEPABLE(q) (dead[q] && holds[SLOT(self[q])] == 0 && live[SLOT(self[q])] && generation[SLOT(self[q])] == GENERATION(self[q]))
proctype Bystander()
{
end:	do
	:: d_step { SWEEPABLE(0) -> live[SLOT(self[0])] = 0 }
#if CONTENDERS > 1
	:: d_step { SWEEPABLE(1) -> live[SLOT(self[1])] = 0 }
#endif
#if CONTENDERS > 2
	:: d_step { SWEEPABLE(2) -> live[SLOT(self[2])] = 0 }
#endif
	:: d_step { LEFT(0, 1) && !dead[0] -> pruneOne(0, 1) }
	:: d_step { LEFT(1, 0) && !dead[1] -> pruneOne(1, 0) }
#if CONTENDERS > 2
	:: d_step { LEFT(0, 2) && !dead[0] -> pruneOne(0, 2) }
	:: d_step { LEFT(1, 2) && !dead[1] -> pruneOne(1, 2) }
	:: d_step { LEFT(2, 0) && !dead[2] -> pruneOne(2, 0) }
	:: d_step { LEFT(2, 1) && !dead[2] -> pruneOne(2, 1) }
#endif
	od
}
#endif

#ifdef CANCELS
/* internal/segment/wait.go: (*Point).sit
 * The context of somebody is over: then he is poked. It may as well be the last. */
proctype Canceller()
{
	if
	:: cancelled[CONTENDERS - 1] = 1; poke(CONTENDERS - 1)
	:: skip
	fi
}
#endif

init {
	byte i;
	atomic {
		do
		:: i < CONTENDERS ->
			if
			:: i < SLOTS ->
				holds[i] = i + 1;
				generation[i] = 1;
				live[i] = 1;
				self[i] = OWNER(i, 1);
				hub = hub | (1 << i);
				joins++;
				run Contender(i, 1)
			:: else ->
				idle[i] = 1;
				run Contender(i, 0)
			fi;
#ifdef DEATHS
			if
			:: (DEATHS & ~(1 << i)) != 0 -> run Listener(i)
			:: else
			fi;
#endif
			i++
		:: else -> break
		od;
#ifdef DEATHS
		run Killer();
#endif
#ifdef BYSTANDER
		run Bystander();
#endif
#ifdef CANCELS
		run Canceller();
#endif
	}
}

