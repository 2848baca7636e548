/** Makes Models and context sources, as a configuration file would write them, of the preset's data. */
import type { Preset, RawContext, RawModel } from '../preset.ts';
import type { PresetModel } from './model.ts';
import { MODELS } from './models.ts';
import { NESTED_MODELS } from './otherModels.ts';

const LIST_TABLES = { routingpolicy: 'peering_routingpolicy', community: 'bgp_community' } as const;

/** The change log is written in the same transaction as what it is about. */
const CONTEXT: readonly RawContext[] = [
  { message: 'walhook' },
  {
    table: 'public.core_objectchange',
    username: 'user_name',
    request_id: 'request_id',
    match: { changed_object_id: 'id' },
  },
  { columns: { username: 'changed_by', request_id: 'request_id' }, trust: 'changed' },
];

export function peeringManager(): Preset {
  return { models: [...MODELS, ...NESTED_MODELS].map(rawModel), context: CONTEXT };
}

function rawModel(model: PresetModel): RawModel {
  const { app, name, path } = model;
  const page = app === 'peering' ? `/${path}/` : `/${app}/${path}/`;
  return {
    name,
    table: `public.${tableOf(model)}`,
    url: `/api/${app}/${path}/{{ id }}/`,
    display: model.display,
    texts: { ...(model.isPageless ? {} : { display_url: `${page}{{ id }}/` }), ...model.texts },
    naming: 'fields',
    foreign_keys: [...(model.nested ?? [])],
    choices: { ...model.choices },
    include: includesOf(model),
    fields: [...model.fields],
    brief: [...model.brief],
    snapshot_order: [...model.columns],
    ignore_changes: ['updated', ...(model.ignored ?? [])],
    before_image: 'full',
  };
}

function tableOf({ app, name }: PresetModel): string {
  return `${app}_${name}`;
}

function includesOf(model: PresetModel): Record<string, unknown> {
  const lists = Object.entries(model.lists ?? {}).map(([field, target]): [string, unknown] => [
    field,
    {
      table: `public.${LIST_TABLES[target]}`,
      through: `public.${tableOf(model)}_${field}`,
      source: `${model.name}_id`,
      target: `${target}_id`,
      touch: true,
    },
  ]);
  const tags = {
    table: 'public.extras_tag',
    through: 'public.extras_taggeditem',
    source: 'object_id',
    target: 'tag_id',
    where: {
      content_type_id: {
        table: 'public.django_content_type',
        match: { app_label: model.app, model: model.name },
      },
    },
    touch: true,
  };
  return Object.fromEntries(model.isTagged ? [...lists, ['tags', tags]] : lists);
}
