/**
 * How the processes that deliver a Webhook share what it may have: requests in flight, requests started in
 * a window of time, and the one request that probes a receiver which was down. Pure.
 *
 * Each process asks with what it could use and is told what it may have until it asks again, every few
 * seconds. A process that was silent for ten seconds, or is known to have ended, holds nothing any more.
 */
import type { FlowState, HeldSlots, Park } from '../../queue/flow.ts';

/** As long as a process may be silent before its jobs are given to others. */
const SILENCE_MS = 10_000;
/** After a recovery one request at once, then twice as many after each of these. */
const RAMP_STEP_MS = 2_000;
/** The window of a rate is counted in so many slices: it is kept to a hundredth. */
const SLICES = 100;

export interface Rate {
  /** Requests started in any `perMs` milliseconds, over all processes. */
  readonly max: number;
  readonly perMs: number;
}

export interface Ask {
  readonly process: string;
  readonly nowMs: number;
  /** Requests this process has in flight. */
  readonly inUse: number;
  /** Requests it could have in flight. 0: it is idle and keeps what it has only while nobody wants it. */
  readonly wants: number;
  /** Requests it would start now. */
  readonly starts: number;
  /** Requests in flight over all processes. */
  readonly concurrency: number;
  readonly rate: Rate | null;
  /** How long a probe may take at most. */
  readonly probeMs: number;
  /** Processes that are known to have ended: they hold nothing, however lately they were heard of. */
  readonly ended: ReadonlySet<string>;
}

export interface Grant {
  /** Requests this process may have in flight. */
  readonly slots: number;
  /** Requests it may start, of those it asked for; as many as it likes without a rate. */
  readonly starts: number;
  /** The one slot is for one request, whose outcome decides whether the Webhook stays parked. */
  readonly isProbe: boolean;
  /** Until when nothing may be sent because the receiver is down; null where it is not. */
  readonly parkedUntilMs: number | null;
  /** When asking again may give more slots; null: not before others have less. */
  readonly againMs: number | null;
  /** When the rate lets more start; null where it does now. */
  readonly startsAgainMs: number | null;
}

/** Decides on what a process may have, and what the others are to know of it. */
export function share(state: FlowState, ask: Ask): { readonly state: FlowState; readonly grant: Grant } {
  const others = living(state, ask);
  if (state.park !== null) return probe(state, state.park, others, ask);
  const ramped = rampLimit(state.rampFromMs, ask);
  const slots = fairSlots(others, ask, ramped.limit);
  const rated = ask.rate === null ? null : startsWithin(state.starts, ask.rate, ask);
  return {
    state: {
      ...state,
      held: { ...others, [ask.process]: held(ask, slots) },
      rampFromMs: ramped.againMs === null ? null : state.rampFromMs,
      starts: rated?.starts ?? [],
    },
    grant: {
      slots,
      starts: rated === null ? Number.POSITIVE_INFINITY : rated.granted,
      isProbe: false,
      parkedUntilMs: null,
      againMs: ramped.againMs,
      startsAgainMs: rated?.againMs ?? null,
    },
  };
}

/** Gives back what a process holds. */
export function withdraw(state: FlowState, process: string, nowMs: number): FlowState {
  const { [process]: _mine, ...held } = state.held;
  const isProber = state.park?.prober === process;
  const park = state.park !== null && isProber ? { ...state.park, prober: null, untilMs: nowMs } : state.park;
  return { ...state, held, park };
}

function living(state: FlowState, { process, nowMs, ended }: Ask): Record<string, HeldSlots> {
  const isLiving = (name: string, seenMs: number) => seenMs > nowMs - SILENCE_MS && !ended.has(name);
  const entries = Object.entries(state.held);
  return Object.fromEntries(
    entries.filter(([name, { seenMs }]) => name !== process && isLiving(name, seenMs)),
  );
}

function held({ wants, nowMs }: Ask, slots: number): HeldSlots {
  return { slots, wants, seenMs: nowMs };
}

function fairSlots(others: Readonly<Record<string, HeldSlots>>, ask: Ask, limit: number): number {
  const rivals = Object.values(others);
  const free = limit - rivals.reduce((sum, { slots }) => sum + slots, 0);
  const wanting = rivals.filter(({ wants }) => wants > 0);
  const isContested = wanting.some(({ slots, wants }) => slots < Math.min(wants, limit));
  if (!isContested) return Math.max(0, free);
  const fair = ask.wants === 0 ? 0 : Math.max(1, Math.floor(limit / (wanting.length + 1)));
  return Math.max(0, Math.min(free, Math.max(fair, ask.inUse)));
}

function rampLimit(
  fromMs: number | null,
  { nowMs, concurrency }: Ask,
): { limit: number; againMs: number | null } {
  if (fromMs === null) return { limit: concurrency, againMs: null };
  const step = Math.max(0, Math.floor((nowMs - fromMs) / RAMP_STEP_MS));
  const limit = 2 ** Math.min(step, 30);
  return limit >= concurrency
    ? { limit: concurrency, againMs: null }
    : { limit, againMs: fromMs + (step + 1) * RAMP_STEP_MS };
}

function probe(
  state: FlowState,
  park: Park,
  others: Readonly<Record<string, HeldSlots>>,
  ask: Ask,
): { readonly state: FlowState; readonly grant: Grant } {
  const isUnattended = park.prober !== null && ask.ended.has(park.prober);
  const isMine = (ask.nowMs >= park.untilMs || isUnattended) && ask.wants > 0;
  const untilMs = isMine ? ask.nowMs + ask.probeMs : park.untilMs;
  const slots = isMine ? 1 : 0;
  return {
    state: {
      ...state,
      held: { ...others, [ask.process]: held(ask, slots) },
      park: isMine ? { ...park, prober: ask.process, untilMs } : park,
    },
    grant: {
      slots,
      starts: slots,
      isProbe: isMine,
      parkedUntilMs: isMine ? null : untilMs,
      againMs: untilMs,
      startsAgainMs: null,
    },
  };
}

/** How many may start now so that no window of the rate ever holds more than its number. */
function startsWithin(
  before: FlowState['starts'],
  { max, perMs }: Rate,
  { nowMs, starts: wanted }: Ask,
): { granted: number; starts: FlowState['starts']; againMs: number | null } {
  const sliceMs = Math.max(1, Math.ceil(perMs / SLICES));
  // A request of a slice may have been its last: the slice counts until its end is a window ago.
  const recent = before.filter(([startMs]) => startMs + sliceMs + perMs > nowMs);
  const used = recent.reduce((sum, [, count]) => sum + count, 0);
  const granted = Math.max(0, Math.min(wanted, max - used));
  const oldest = recent[0];
  const againMs = granted < wanted && oldest !== undefined ? oldest[0] + sliceMs + perMs : null;
  if (granted === 0) return { granted, starts: recent, againMs };
  const slice = Math.floor(nowMs / sliceMs) * sliceMs;
  const last = recent.at(-1);
  const starts =
    last !== undefined && last[0] >= slice
      ? [...recent.slice(0, -1), [last[0], last[1] + granted] as const]
      : [...recent, [slice, granted] as const];
  return { granted, starts, againMs };
}
