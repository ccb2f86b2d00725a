/*
 * The event count with the asymmetric fence: one signaller that publishes with plain stores and asks
 * "is anybody asleep?" without a fence, and waiters who pay for the fence before they sleep for long.
 *
 * The signaller publishes one value after the other, and stops after any of them; each waiter waits for
 * each value. The long sleep has no end (but for ODD of them, on which nobody may depend), so a wake-up
 * that is lost is a waiter that sleeps for ever, and spin reports an invalid end state.
 */

#ifndef WAITERS
#define WAITERS 2
#endif
#ifndef VALUES
#define VALUES 2
#endif
#ifndef ODD
#define ODD 1
#endif

#define EXCLUSIVE 0 /* internal/segment/wait.go: (*Segment).Point, with Shared, as the rings have it */
#define NEEDED 1
#define GIVENUP(w) 0
#define gaveUp(w) skip

byte value;      /* the word of shared memory that is published */
byte buffered;   /* hardware: values in the signaller's store buffer, which leave it in their order */
bit registered;  /* internal/futex/fence_linux.go: registered. The kernel registers a little earlier,
                  * when nothing is in the buffer yet. */
bit killed;      /* kernel: SIGKILL was sent to the signaller */
bit gone;        /* kernel: the proof of its death */
bit watched[WAITERS]; /* internal/segment/sweep.go: (*Segment).watch */

#define NET 0

/* A waiter that asks for fences relies on the clock: a store that was in a buffer when the short sleep
 * began has left it when that sleep ends. Whoever has membarrier relies on nothing. */
#ifdef BREAK_CLOCK
#define ARRIVED 1
#else
#define ARRIVED (!demanded || value >= due)
#endif

/* hardware: a locked instruction empties the store buffer first. Waiters have nothing in theirs. */
#define LOCKED value = value + buffered; buffered = 0

#include "wait.pml"

/* ring/spsc_reader.go: (*Reader).ready
 * due: the stores that a short sleep must outlast, as of the last look before it. */
inline try(w)
{
	d_step { ok = value >= next; due = (ok || !demanded -> 0 : value + buffered) }
}

/* internal/futex/fence_linux.go: barrier
 * kernel: every thread of a registered process that runs executes a fence; all others have done so */
inline barrier()
{
#ifdef BREAK_BARRIER
	skip
#else
	d_step {
		if
		:: registered -> LOCKED
		:: else
		fi
	}
#endif
}

/* internal/segment/wait_fence.go: (*fence).raise */
inline raise(w)
{
	atomic {
		raised = 1;
		if
		:: able -> barrier()
		:: !able && !demanded ->
			markFence = 1; /* internal/futex/event.go: (*Event).Demand */
			demanded = 1;
#ifndef BREAK_DEMAND
			quiet = 0;
			raised = 0
#endif
		:: else
		fi
	}
}

/* ring/end.go: (*end).wait, its Recover: look once more, else the death is told */
inline recover(w)
{
	assert(buffered == 0); /* the proof comes after the last store */
	d_step { over = 1; told = value < next }
}

/* internal/segment/wait_deaths.go: (*Point).mourn
 * The peer is the signaller. ring/end.go: (*end).wait
 * internal/segment/sweep.go: (*Segment).Gone, (*Segment).watch */
inline mourn(w)
{
#ifdef DEATHS
	if
	:: gone -> recover(w)
	:: else
#ifndef NOT_PUSHED
		-> watched[w] = 1;
		if
		:: gone -> recover(w)
		:: else
		fi
#endif
	fi
#else
	skip
#endif
}

/* internal/segment/wait_deaths.go: (*Point).watchOthers
 * The one whose death matters is the peer, who is watched already. */
inline watchOthers(w) { skip }

/* ring/end.go: (*end).signal, ring/spsc_writer.go: (*Writer).stays */
inline signalPeer()
{
	if
	:: IDLE
	:: else ->
		broadcast();
		if
		:: markFence -> plain = 0 /* internal/futex/event.go: (*Event).Fenced */
		:: else
		fi
	fi
}

/* internal/segment/sweep.go: (*Segment).died
 * internal/segment/wait_line.go: (*Segment).pokeAll */
inline died()
{
	n = 0;
	do
	:: n < WAITERS ->
#ifndef BREAK_PUSH
		if
		:: watched[n] -> poke(n)
		:: else
		fi;
#endif
		n++
	:: else -> break
	od
}

/* ring/spsc_writer.go: (*Writer).Push, (*Writer).pushSlow
 * total: values that it publishes */
proctype Signaller(byte total)
{
	byte n;    /* values that were published */
	bit plain; /* ring/spsc_writer.go: (*Writer).ready has set limit */
#ifdef BREAK_EARLY
	bit idle;
#endif
	{
		do
		:: n < total ->
#ifdef BREAK_EARLY
			idle = IDLE; /* the mark is looked at before the value is published */
#endif
			if
			:: plain ->
				buffered++ /* internal/futex/publish_amd64.go: Publish */
			:: else ->
				/* internal/futex/fence.go: Plain, Registered */
#ifdef BREAK_REGISTER
				plain = !markFence;
#else
				plain = registered && !markFence;
#endif
				/* ring/spsc_writer.go: (*Writer).store, an exchange */
				d_step { LOCKED; value++ }
			fi;
			n++;
#ifdef BREAK_EARLY
			if
			:: idle
			:: else -> signalPeer()
			fi
#else
			signalPeer()
#endif
		:: else -> break
		od
	} unless {
		atomic { killed -> LOCKED };
		if
		:: killed -> gone = 1; died()
		:: else
		fi
	}
}

/* hardware: a store leaves the buffer whenever it likes */
proctype Buffer()
{
end:	do
	:: d_step { buffered > 0 -> value++; buffered-- }
	od
}

/* internal/futex/fence_linux.go: register
 * in the background, some time, or never */
proctype Registrar() { if :: registered = 1 :: skip fi }

/* kernel: kills the signaller anywhere, or not */
proctype Killer() { if :: killed = 1 :: skip fi }

/* ring/spsc_reader.go: (*Reader).Pop, (*Reader).popNext
 * total: values that will be published if the signaller lives
 * able: internal/futex/fence.go: Barrier, whether this waiter's system has it */
proctype Waiter(byte w, total; bit able)
{
	LEADS;
	byte next = 1; /* the value that is waited for */
	bit told;      /* the signaller's death */
	do
	:: next <= total && !told ->
		if
		:: value >= next
		:: else -> lead(w)
		fi;
		assert(told || value >= next);
		next++
	:: else -> break
	od
}

init {
	byte i, total;
	atomic {
		select(total : 1 .. VALUES);
		do
		:: i < WAITERS ->
			if
			:: run Waiter(i, total, 1)
			:: run Waiter(i, total, 0)
			fi;
			i++
		:: else -> break
		od;
		run Signaller(total);
		run Buffer();
		run Registrar();
#ifdef DEATHS
		run Killer();
#endif
	}
}
