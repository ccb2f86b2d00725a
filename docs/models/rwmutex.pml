/*
 * The RWMutex: readers that count themselves and look at the lock, writers that take the lock and wait until the
 * counts are 0, readers that go by the lock itself because they starve or the writer died, the word that says that
 * nobody has repaired what a dead writer left, and deaths anywhere, recovery included.
 *
 * What is asserted: a writer is in the critical section beside nobody who lives, a reader beside no writer; whoever
 * comes behind a writer that died there is told, until one has repaired it. And nobody waits for ever: spin reports
 * an invalid end state. Sleeps have no end but a wake-up or the news of a death: there is no safety net.
 *
 * How a death becomes known is in mutex.pml. Here it is known at any later moment, to all at once, and then each of the
 * others is made to look again, in any order.
 */

#ifndef READERS
#define READERS 1
#endif
#ifndef WRITERS
#define WRITERS 1
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifndef DEATHS
#define DEATHS 0 /* how many may be killed, whoever it is */
#endif

#define ALL (READERS + WRITERS)
#define FREE 255

/* Where somebody waits: internal/segment/lock.go: (*Segment).LockAt
 * sync/layout.go: RWMutexState
 */
#define LOCK 0
#define ROOM 1   /* its event readers */
#define DRAIN 2  /* its event writer */
#define AT(e, p) ((e) * ALL + (p))

byte holder = FREE;      /* internal/segment/lock.go: Lock, its word: who has it */
bit inconsistent;        /* and its flag */
bit suspect;             /* sync/layout.go: RWMutexState */
byte count[READERS];     /* sync/ledger_unsafe.go: row, of each process that reads */

bit mark[3];             /* internal/futex/event.go: (*Event).Asleep */
bit moved[3 * ALL];      /* internal/futex/event.go: (*Event).Word: whether it moved since it was sampled */
bit sleeping[3 * ALL];   /* kernel: in the queue of the futex */
bit poked[ALL];          /* internal/futex/sleeper.go: (*Sleeper).Poke */

bit killed[ALL];         /* kernel: SIGKILL was sent */
bit dead[ALL];           /* internal/segment/wait_deaths.go: (*Segment).Swept */
byte deaths = DEATHS;

/* What only the model knows. */
bit reads[ALL];          /* in the critical section */
bit writes[ALL];
bit damaged;             /* a writer died there, and nobody has repaired it */

#define LIVES(p) (!killed[p])
#if ALL == 2
#define ANYREADS (reads[0] && LIVES(0) || reads[1] && LIVES(1))
#define ANYWRITES (writes[0] && LIVES(0) || writes[1] && LIVES(1))
#else
#define ANYREADS (reads[0] && LIVES(0) || reads[1] && LIVES(1) || reads[2] && LIVES(2))
#define ANYWRITES (writes[0] && LIVES(0) || writes[1] && LIVES(1) || writes[2] && LIVES(2))
#endif

/* internal/segment/wait.go: (*Point).lead
 * internal/futex/sleeper.go: (*Sleeper).Clear
 * internal/futex/event.go: (*Event).Announce, its load, and then its or */
inline announce(e)
{
	d_step { poked[me] = 0; moved[AT(e, me)] = 0 };
	mark[e] = 1
}

/* internal/futex/sleeper.go: (*Sleeper).Sleep */
inline doze(e)
{
	d_step { sleeping[AT(e, me)] = !moved[AT(e, me)] && !poked[me] };
	!sleeping[AT(e, me)]
}

/* internal/futex/event.go: (*Event).move. event.pml has the addition and the wake apart. */
inline stir(e)
{
	moved[AT(e, 0)] = 1;
	moved[AT(e, 1)] = 1;
#if ALL > 2
	moved[AT(e, 2)] = 1
#endif
}

/* internal/futex/event.go: (*Event).Broadcast */
inline broadcast(e)
{
	if
	:: mark[e] ->
		mark[e] = 0;
		d_step {
			stir(e);
			sleeping[AT(e, 0)] = 0;
			sleeping[AT(e, 1)] = 0;
#if ALL > 2
			sleeping[AT(e, 2)] = 0;
#endif
		}
	:: else
	fi
}

/* internal/futex/event.go: (*Event).Signal */
inline signal(e)
{
	if
	:: mark[e] ->
		mark[e] = 0;
		atomic {
			stir(e);
			if
			:: sleeping[AT(e, 0)] -> sleeping[AT(e, 0)] = 0
			:: sleeping[AT(e, 1)] -> sleeping[AT(e, 1)] = 0
#if ALL > 2
			:: sleeping[AT(e, 2)] -> sleeping[AT(e, 2)] = 0
#endif
			:: else
			fi
		}
	:: else
	fi
}

/* internal/segment/lock.go: (*Lock).LockSlow, (*Lock).TryLock, (*Lock).inherit, (*Lock).Peer
 * internal/futex/event.go: (*Event).Pass */
inline lockSlow()
{
	slept = 0;
	do
	::
		announce(LOCK);
		atomic {
			got = 0;
			if
			:: holder == FREE -> holder = me; got = 1
			:: holder != FREE && holder != me && dead[holder] -> holder = me; inconsistent = 1; got = 1
			:: else
			fi
		};
		if
		:: got -> break
		:: else
		fi;
		doze(LOCK);
		slept = 1
	od;
	if
	:: slept -> mark[LOCK] = 1
	:: else
	fi
}

/* sync/rwmutex.go: (*RWMutex).retreat */
inline retreat()
{
	count[me]--;
#ifndef BREAK_WAKEWRITER
	broadcast(DRAIN)
#endif
}

/* sync/rwmutex.go: (*RWMutex).admit, (*RWMutex).enter
 * internal/segment/lock.go: (*Lock).Open */
inline admit()
{
	got = 0;
	if
	:: holder == FREE ->
		count[me]++; /* a full fence */
#ifdef BREAK_LOOK
		got = 1
#else
		if
		:: holder == FREE -> got = 1
		:: else -> retreat()
		fi
#endif
	:: else
	fi
}

/* sync/rwmutex.go: (*RWMutex).unlock
 * internal/segment/lock.go: (*Lock).Unlock, (*Lock).Release, (*Lock).Wake */
inline unlock()
{
	d_step { assert(holder == me && !inconsistent); holder = FREE };
	signal(LOCK);
#ifndef BREAK_WAKEREADERS
	broadcast(ROOM)
#endif
}

/* sync/rwmutex.go: (*RWMutex).open
 * internal/segment/lock.go: (*Lock).Holder, (*Lock).MarkConsistent */
inline open()
{
	if
	:: inconsistent ->
#ifdef BREAK_OPEN
		inconsistent = 0;
		unlock();
		suspect = 1
#else
		suspect = 1;
		inconsistent = 0;
		unlock()
#endif
	:: else -> unlock()
	fi
}

/* sync/rwmutex.go: (*RWMutex).await, (*RWMutex).become
 * It starves whenever it likes to, once it has slept. */
inline await()
{
	starved = 0;
	do
	::
		announce(ROOM);
		admit();
		if
		:: got || starved -> break
		:: else
		fi;
		if
		:: holder != FREE && holder != me && dead[holder] -> break /* its Recover */
		:: else
		fi;
		doze(ROOM);
		if
		:: starved = 1
		:: skip
		fi
	od;
	if
	:: got
	:: else ->
		lockSlow();
		count[me]++;
		open()
	fi
}

/* sync/ledger.go: (*ledger).none, (*ledger).has, one row after the other */
inline look()
{
	i = 0;
	clear = 1;
	do
	:: i < READERS && clear ->
		atomic { clear = count[i] == 0; i++ }
	:: else -> break
	od;
	i = 0
}

/* sync/ledger.go: (*ledger).bury, (*ledger).sweep, (*ledger).settleAll
 * sync/rwmutex.go: (*RWMutexState).settle */
inline bury()
{
#ifdef BREAK_BURY
	skip
#else
	i = 0;
	do
	:: i < READERS ->
		if
		:: dead[i] && count[i] != 0 ->
			count[i] = 0;
			broadcast(DRAIN)
		:: else
		fi;
		i++
	:: else -> break
	od;
	i = 0
#endif
}

/* sync/rwmutex.go: (*RWMutex).drain */
inline drain()
{
	look();
	if
	:: clear
	:: else ->
		bury();
		do
		::
			announce(DRAIN);
			bury();
			look();
			if
			:: clear -> break
			:: else
			fi;
			doze(DRAIN);
			bury()
		od
	fi
}

/* sync/rwmutex.go: (*RWMutex).had
 * internal/segment/lock.go: (*Lock).Doubt */
inline had()
{
	if
	:: suspect ->
		inconsistent = 1;
		suspect = 0
	:: else
	fi;
	told = inconsistent
}

/* sync/rwmutex.go: (*RWMutex).RLock, (*RWMutex).rlockSlow, (*RWMutex).suspicion, (*RWMutex).RUnlock */
proctype Reader(byte me)
{
	bit got, slept, starved;
	byte rounds;
	{
		do
		:: rounds < ROUNDS ->
			rounds++;
			admit();
			if
			:: got
			:: else -> await()
			fi;
			d_step {
				assert(!ANYWRITES);
				assert(!damaged || suspect);
				reads[me] = 1;
				got = 0;
				slept = 0;
				starved = 0
			};
			reads[me] = 0;
			retreat()
		:: else -> break
		od
	} unless { killed[me] }
}

/* sync/rwmutex.go: (*RWMutex).Lock, (*RWMutex).Unlock, (*RWMutex).MarkConsistent */
proctype Writer(byte me)
{
	bit got, slept, clear, told;
	byte rounds, i;
	{
		do
		:: rounds < ROUNDS ->
			rounds++;
#ifdef BREAK_DRAIN
			drain();
#endif
			atomic {
				got = 0;
				if
				:: holder == FREE -> holder = me; got = 1
				:: else
				fi
			};
			if
			:: got
			:: else -> lockSlow()
			fi;
#ifndef BREAK_DRAIN
			drain();
#endif
			had();
			d_step {
				assert(!ANYWRITES && !ANYREADS);
				assert(!damaged || told);
				writes[me] = 1;
				got = 0;
				slept = 0
			};
			d_step { writes[me] = 0; damaged = 0 };
			if
			:: told -> inconsistent = 0; told = 0
			:: else
			fi;
			unlock()
		:: else -> break
		od
	} unless { killed[me] }
}

/* Kills whom it likes, when it likes, and has everybody look again. A reader that is killed damages nothing.
 * internal/segment/sweep.go: (*Segment).died */
inline kill(p)
{
	d_step { LIVES(p) && deaths > 0 -> deaths--; killed[p] = 1; damaged = damaged || writes[p]; writes[p] = 0; reads[p] = 0 };
	dead[p] = 1;
#ifndef BREAK_PUSH
	poke(0);
	poke(1);
#if ALL > 2
	poke(2)
#endif
#endif
}

/* internal/segment/wait_line.go: (*Segment).pokeAll
 * internal/futex/sleeper.go: (*Sleeper).Poke */
inline poke(q)
{
	d_step {
		poked[q] = 1;
		sleeping[AT(LOCK, q)] = 0;
		sleeping[AT(ROOM, q)] = 0;
		sleeping[AT(DRAIN, q)] = 0
	}
}

#if DEATHS
proctype Killer()
{
	do
	:: break
	:: kill(0)
	:: kill(1)
#if ALL > 2
	:: kill(2)
#endif
	od
}
#endif

init {
	byte p;
	atomic {
		do
		:: p < READERS -> run Reader(p); p++
		:: p >= READERS && p < ALL -> run Writer(p); p++
		:: else -> break
		od;
#if DEATHS
		run Killer()
#endif
	}
}
