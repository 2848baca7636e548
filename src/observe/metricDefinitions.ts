/**
 * Every metric: the one source of what is exposed and of docs/metrics.md. Base units; labels are closed and
 * few, never ids or URLs.
 */

export interface MetricDefinition {
  readonly kind: 'gauge' | 'counter' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
  /** Upper bounds of a histogram's buckets. */
  readonly buckets?: readonly number[];
  /** The capturing process alone has it; elsewhere it is absent. */
  readonly isCapturingOnly?: true;
}

const LATENCY_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
/** From an idle stream to a Delivery that waited for days of retries. */
const DELAY_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 60, 600, 3_600, 86_400];

export const metricDefinitions = {
  walhook_slot_retained_wal_bytes: {
    kind: 'gauge',
    help: 'WAL that the slot keeps the server from recycling.',
    labels: [],
    isCapturingOnly: true,
  },
  walhook_slot_budget_bytes: {
    kind: 'gauge',
    help: 'WAL that the slot may retain before the server or the budget of the configuration ends it; absent without a limit.',
    labels: [],
    isCapturingOnly: true,
  },
  walhook_capture_lag_seconds: {
    kind: 'gauge',
    help: 'Age of the oldest commit that has been read and is not stored in the queue yet; 0 when there is none.',
    labels: [],
    isCapturingOnly: true,
  },
  walhook_capture_state: {
    kind: 'gauge',
    help: '1 for the state this process is in: capturing, standby (another process captures) or disconnected (trying again).',
    labels: ['state'],
  },
  walhook_capture_changes_total: {
    kind: 'counter',
    help: 'Changes read from the slot, by table.',
    labels: ['table'],
  },
  walhook_capture_context_total: {
    kind: 'counter',
    help: 'Context that is not what it could be: Transactions longer than limits.lookahead, whose Events went out with what was known (partial), Transactions that fire nothing by walhook.mute() (muted), messages of context that were no JSON object (malformed).',
    labels: ['outcome'],
  },
  walhook_match_events_total: {
    kind: 'counter',
    help: 'Decisions whether a webhook fires for a Change: matched, not_matched or failed (the condition could not be evaluated).',
    labels: ['webhook', 'outcome'],
  },
  walhook_queue_depth: {
    kind: 'gauge',
    help: 'Deliveries in the queue by state: waiting, delayed (for a retry), active, failed (kept).',
    labels: ['webhook', 'state'],
    isCapturingOnly: true,
  },
  walhook_queue_oldest_seconds: {
    kind: 'gauge',
    help: 'Age, since its commit, of the oldest Delivery that is neither delivered nor failed; 0 when there is none.',
    labels: ['webhook'],
    isCapturingOnly: true,
  },
  walhook_deliver_attempts_total: {
    kind: 'counter',
    help: 'Attempts made by this process: delivered, retry (to be tried again), failed (for good) or cancelled (meanwhile, and no success).',
    labels: ['webhook', 'outcome'],
  },
  walhook_deliver_attempt_seconds: {
    kind: 'histogram',
    help: 'Duration of an Attempt, from rendering to the end of the response.',
    labels: [],
    buckets: LATENCY_BUCKETS,
  },
  walhook_deliver_commit_to_delivered_seconds: {
    kind: 'histogram',
    help: 'Time from the commit of a Change to its Delivery.',
    labels: [],
    buckets: DELAY_BUCKETS,
  },
  walhook_config_last_reload_successful: {
    kind: 'gauge',
    help: '1 when the configuration in force is the one that was last read, 0 when the last reload was refused.',
    labels: [],
  },
  walhook_leader: {
    kind: 'gauge',
    help: '1 in the process that captures.',
    labels: [],
  },
  walhook_build_info: {
    kind: 'gauge',
    help: '1, with the version that runs.',
    labels: ['version'],
  },
} as const satisfies Record<string, MetricDefinition>;

export type MetricName = keyof typeof metricDefinitions;
