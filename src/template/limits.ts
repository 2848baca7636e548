/**
 * What one template and one rendering may use up. Semi-trusted authors and hostile rows meet here, so
 * every number is a wall, not a hint; docs/templates.md names them.
 */

/** Bounds on a template's text, checked when it is compiled. */
export const sourceLimits = {
  /** Characters of source text. */
  source: 64 * 1024,
  /** Nodes of the syntax tree. */
  nodes: 5_000,
  /** Nesting of tags and expressions. */
  depth: 100,
} as const;

/** Bounds on one rendering. */
export const renderLimits = {
  /** Milliseconds of work; read once per `checkEvery` steps, so small templates never meet it. */
  ms: 50,
  /** Milliseconds that a rendering may wait for the processor beside. */
  waitingMs: 1_000,
  /** Steps (loop rounds, calls, elements visited) between two looks at the clock. */
  checkEvery: 256,
  /** Rounds of all loops together. */
  rounds: 100_000,
  /** Characters of any one text, the result included (1 MiB). */
  text: 1024 * 1024,
  /** Characters of all texts made on the way. */
  allText: 8 * 1024 * 1024,
  /** Elements of all lists and dicts made on the way. */
  elements: 250_000,
  /** Nesting of macro calls, recursive loops and walks through nested values. */
  depth: 200,
  /** Elements of one range(). */
  range: 10_000,
  /** Binary digits of an integer: 4,300 decimal ones, where Python stops printing them. */
  integerBits: 14_285,
} as const;
