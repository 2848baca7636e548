/**
 * Peering Manager's models with webhook support as they are in its source (1.10): the order and the members
 * of each REST serializer, of its nested serializer and of Django's own serialisation, what a model calls
 * itself, and what background jobs write. Data only; `peeringManager.ts` makes Models of it.
 */
import type { PresetModel } from './model.ts';
import { OTHER_MODELS } from './otherModels.ts';
import { PEERING_MODELS } from './peeringModels.ts';

export const MODELS: readonly PresetModel[] = [...PEERING_MODELS, ...OTHER_MODELS];
