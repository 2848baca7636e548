/** The filters a template may name: the allow-list. */

import type { Callable } from '../values/callable.ts';
import { htmlFilters } from './htmlFilters.ts';
import { ownFilters } from './ownFilters.ts';
import { sequenceFilters } from './sequenceFilters.ts';
import { textFilters } from './textFilters.ts';
import { valueFilters } from './valueFilters.ts';

export const filters: ReadonlyMap<string, Callable> = new Map(
  [...textFilters, ...sequenceFilters, ...valueFilters, ...htmlFilters, ...ownFilters].map((entry) => [
    entry.name,
    entry,
  ]),
);
