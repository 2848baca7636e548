/**
 * What is left of a rendering's allowance. Everything that loops, recurses or makes text or lists asks
 * here first: growth is refused before memory is taken, time is checked as work is done.
 */

import { renderLimits } from './limits.ts';
import { PythonError } from './python/errors.ts';

export class Budget {
  #steps: number = renderLimits.checkEvery;
  #deadline = 0;
  #cpuAtStart = 0;
  #rounds: number = renderLimits.rounds;
  #text: number = renderLimits.allText;
  #elements: number = renderLimits.elements;
  #depth = 0;

  /** Accounts for `cost` units of work, each about as long as visiting one element. */
  step(cost = 1): void {
    this.#steps -= cost;
    if (this.#steps < 0) this.#checkClock();
  }

  /** Accounts for one round of a loop. */
  round(): void {
    this.#rounds -= 1;
    if (this.#rounds < 0) throw exceeded(`loops took more than ${renderLimits.rounds} rounds`);
    this.step();
  }

  /** Asks for a text of `length` characters, before it is made. */
  text(length: number): void {
    this.bound(length);
    this.#text -= length;
    if (this.#text < 0) throw exceeded('the texts made on the way grew beyond 8 MiB');
    if (length > 64) this.step(length >>> 6);
  }

  /** Refuses a text of `length` characters that is being made, without accounting for it yet. */
  bound(length: number): void {
    if (length > renderLimits.text) throw exceeded('the text grew beyond 1 MiB');
  }

  /** Accounts for reading `length` characters. */
  read(length: number): void {
    this.step(1 + (length >>> 6));
  }

  /** Accounts for reading the texts among some values. */
  readAll(values: readonly unknown[]): void {
    let length = 0;
    for (const value of values) if (typeof value === 'string') length += value.length;
    if (length > 64) this.step(length >>> 6);
  }

  /** Asks for room for `count` elements of a list or dict, before they are made. */
  elements(count: number): void {
    this.#elements -= count;
    if (this.#elements < 0) throw exceeded(`lists grew beyond ${renderLimits.elements} elements`);
    this.step(count >>> 2);
  }

  /** Enters a macro, a recursive loop or a nested value; every enter() that returns needs a leave(). */
  enter(): void {
    if (this.#depth >= renderLimits.depth) {
      throw new PythonError('RecursionError', `nested deeper than ${renderLimits.depth} levels`);
    }
    this.#depth += 1;
  }

  leave(): void {
    this.#depth -= 1;
  }

  /**
   * The deadline runs from the first look, which comes after very little work. Past it the process's own time
   * decides: on a busy machine a template must not fail for what others do.
   */
  #checkClock(): void {
    const now = performance.now();
    if (this.#deadline === 0) {
      this.#deadline = now + renderLimits.ms;
      this.#cpuAtStart = cpuMs();
    } else if (now > this.#deadline) {
      const isOver = now > this.#deadline + renderLimits.waitingMs;
      if (isOver || cpuMs() - this.#cpuAtStart > renderLimits.ms) {
        throw exceeded(`rendering took longer than ${renderLimits.ms} ms`);
      }
    }
    this.#steps = renderLimits.checkEvery;
  }
}

/** Processor time of this process so far. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

function exceeded(message: string): PythonError {
  return new PythonError('BudgetError', message);
}
