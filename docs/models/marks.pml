/*
 * The marks of readers of an RWMutex (rwmutex.pml has the rest): who has one counts himself there by plain stores, which
 * leave his store buffer in their order, when they like; a writer that has the lock takes all biases away, has all
 * buffers emptied by a barrier, and looks at counts and marks. What was taken through the one may be given up
 * through the other. Anybody may die anywhere, or stop for ever (which is to be slow).
 *
 * What is asserted: nobody reads while somebody writes. That a dead process holds up the others is an invalid end state.
 */

#ifndef READERS
#define READERS 2
#endif
#ifndef WRITERS
#define WRITERS 1
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#ifdef SHARED
#define ROWS 1
#define rowOf(me) 0 /* goroutines of one process: nobody dies */
#else
#define ROWS READERS
#define rowOf(me) me
#endif

/* sync/layout.go: RWMutexState */
byte lock; /* 1 + the writer */
/* sync/ledger_unsafe.go: readingRow */
short count[ROWS];
byte bias[ROWS];
short mark[READERS];
/* sync/rwmutex_bias.go: biased, revoked */
#define BIASED 1
#define REVOKED 2

bit dead[READERS];
bit deadWriter[WRITERS];
byte deaths;
byte reading;
bit writing;

/* hardware: what each has stored to its mark that others do not see yet */
chan buffer[READERS] = [6] of { short };

inline drain(b)
{
	do
	:: nempty(buffer[b]) -> buffer[b]?mark[b]
	:: empty(buffer[b]) -> break
	od
}

proctype Buffer(byte who)
{
end:	do
	:: atomic { nempty(buffer[who]) -> buffer[who]?mark[who] }
	od
}

/* the proof of a death comes after the last store */
#define die(me) atomic { deaths < DEATHS -> deaths++; drain(me); reading = reading - has; dead[me] = 1; goto over }

proctype Reader(byte me)
{
	byte i, has;
	short m; /* what it stored last to its mark */
	bit marked;
	do
	:: i == ROUNDS -> break
	:: i < ROUNDS ->
		/* sync/rwmutex.go: (*RWMutex).RLock */
		if
		:: marked && bias[rowOf(me)] == BIASED ->
			m++;
			buffer[me]!m;
			if
			:: die(me)
			:: true
			fi;
#ifdef BREAK_LOOK
			true -> atomic { reading++; has = 1; assert(!writing) }
#else
			if
			:: atomic { bias[rowOf(me)] == BIASED -> reading++; has = 1; assert(!writing) }
			:: bias[rowOf(me)] != BIASED -> m--; buffer[me]!m
			fi
#endif
		:: !marked || bias[rowOf(me)] != BIASED
		fi;
		/* sync/rwmutex.go: (*RWMutex).rlock, (*RWMutex).admit, (*RWMutex).retreat */
		do
		:: has -> break
		:: !has ->
			(lock == 0 || deadWriter[lock - 1]);
			if
			:: lock != 0 -> /* its dead writer's: it takes the lock over, and opens it */
				atomic { drain(me); if :: lock != 0 && deadWriter[lock - 1] -> lock = 0 :: else fi }
			:: lock == 0 ->
				atomic { drain(me); count[rowOf(me)]++ };
				if
				:: die(me)
				:: true
				fi;
				if
				:: atomic { lock == 0 -> reading++; has = 1; assert(!writing) }
				:: lock != 0 -> atomic { drain(me); count[rowOf(me)]-- }
				fi;
				/* sync/rwmutex_bias.go: (*RWMutex).grant */
				if
				:: has ->
					marked = 1;
					atomic { drain(me); if :: bias[rowOf(me)] == 0 -> bias[rowOf(me)] = BIASED :: else fi }
				:: true
				fi
			fi
		od;
		if
		:: die(me)
		:: true
		fi;
		/* sync/rwmutex.go: (*RWMutex).RUnlock; its stack may have moved */
		atomic { assert(!writing); reading--; has = 0 };
		if
		:: m > 0 -> m--; buffer[me]!m
		:: atomic { drain(me); count[rowOf(me)]-- }
		fi;
		if
		:: die(me)
		:: true
		fi;
		i++
	od;
over:
	skip
}

#define dieWriter(me) atomic { deaths < DEATHS -> deaths++; deadWriter[me] = 1; writing = 0; goto over }

/* sync/ledger.go: (*ledger).bury; sync/rwmutex.go: (*RWMutexState).settle. sync/ledger.go: (*ledger).none;
 * sync/rwmutex_bias.go: (*row).reads */
inline look()
{
	r = 0; none = 1;
	do
	:: r == ROWS || !none -> break
	:: r < ROWS && none ->
#ifndef SHARED
		if
		:: dead[r] -> bias[r] = 0; mark[r] = 0; count[r] = 0
		:: !dead[r]
		fi;
#endif
		n = count[r];
#ifdef SHARED
		n = n + mark[0];
		n = n + mark[1];
#else
		n = n + mark[r];
#endif
		if
		:: n != 0 -> none = 0
		:: n == 0 -> r++
		fi
	od
}

/* whoever sleeps is woken by the last store of who leaves, or by a death */
#ifdef SHARED
#define moved (count[0] + mark[0] + mark[1] != n)
#else
#define moved (count[r] + mark[r] != n || dead[r])
#endif

/* sync/rwmutex_bias.go: (*RWMutex).revoke */
inline revoke(me)
{
	q = 0; any = 0;
	do
	:: q == ROWS -> break
	:: q < ROWS ->
		if
#ifdef BREAK_REVOKED
		:: bias[q] != 0 -> bias[q] = 0; any = 1
#else
		:: bias[q] != 0 -> bias[q] = REVOKED; any = 1
#endif
		:: bias[q] == 0
		fi;
		q++
	od;
	if
	:: any ->
		if
		:: dieWriter(me)
		:: true
		fi;
#ifndef BREAK_FENCE
		atomic {
			q = 0;
			do
			:: q == READERS -> break
			:: q < READERS -> drain(q); q++
			od
		};
#endif
		q = 0;
		do
		:: q == ROWS -> break
		:: q < ROWS ->
			if
			:: bias[q] == REVOKED -> bias[q] = 0
			:: bias[q] != REVOKED
			fi;
			q++
		od
	:: !any
	fi
}

proctype Writer(byte me)
{
	byte r, q;
	short n;
	bit none, any;
	/* sync/rwmutex.go: (*RWMutex).Lock */
	do
	:: lock == me + 1 -> break
	:: atomic { lock != me + 1 && (lock == 0 || deadWriter[lock - 1]) -> lock = me + 1 }
	od;
	/* sync/rwmutex.go: (*RWMutex).drain; sync/rwmutex_bias.go: (*RWMutex).vacant, of which a poll is one too (BREAK_ORDER is what it
	 * would be with a look alone) */
	do
	::
		revoke(me);
		if
#ifndef BREAK_AGAIN
		:: none && !any -> break
		:: !none || any ->
#else
		:: none -> break
		:: !none ->
#endif
			look();
#ifdef BREAK_ORDER
			if
			:: none -> break
			:: !none
			fi;
#endif
			if
			:: none
			:: !none -> moved
			fi
		fi
	od;
	if
	:: dieWriter(me)
	:: true
	fi;
	atomic { writing = 1; assert(reading == 0) };
	if
	:: dieWriter(me)
	:: true
	fi;
	atomic { assert(reading == 0); writing = 0 };
	lock = 0;
over:
	skip
}

init
{
	byte n;
	atomic {
		do
		:: n < READERS -> run Reader(n); run Buffer(n); n++
		:: else -> break
		od;
		n = 0;
		do
		:: n < WRITERS -> run Writer(n); n++
		:: else -> break
		od
	}
}
