/** Durations and sizes as people write them in the configuration file. */

const DURATION_UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** `500ms`, `30s`, `1.5h`, `7d` → milliseconds; null when it is not one. */
export function parseDuration(text: string): number | null {
  const match = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d)$/.exec(text.trim());
  if (match === null) return null;
  return Math.round(Number(match[1]) * (DURATION_UNITS[match[2] ?? ''] ?? 0));
}

export const DURATION_PATTERN = '^\\s*\\d{1,9}(\\.\\d{1,3})?(ms|s|m|h|d)\\s*$';

const SIZE_UNITS: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1_000,
  KB: 1_000,
  MB: 1_000_000,
  GB: 1_000_000_000,
  TB: 1_000_000_000_000,
  KiB: 1_024,
  MiB: 1_048_576,
  GiB: 1_073_741_824,
  TiB: 1_099_511_627_776,
};

/** `64KiB`, `10GiB`, `500MB` → bytes; null when it is not one. */
export function parseSize(text: string): number | null {
  const match = /^(\d{1,12}(?:\.\d{1,3})?)(B|[kK]B|MB|GB|TB|KiB|MiB|GiB|TiB)$/.exec(text.trim());
  if (match === null) return null;
  return Math.round(Number(match[1]) * (SIZE_UNITS[match[2] ?? ''] ?? 0));
}

export const SIZE_PATTERN = '^\\s*\\d{1,12}(\\.\\d{1,3})?(B|[kK]B|MB|GB|TB|KiB|MiB|GiB|TiB)\\s*$';

/** Milliseconds as people read them: `3s`, `1m 20s`, `2h 5m`. */
export function formatDuration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)}ms`;
  const seconds = Math.round(ms / 1_000);
  const parts = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3_600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ] as const;
  const shown = parts.filter(([value]) => value > 0).slice(0, 2);
  return shown.map(([value, unit]) => `${value}${unit}`).join(' ');
}

/** Bytes as people read them: `312 B`, `1.5 MiB`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  for (const unit of ['B', 'KiB', 'MiB', 'GiB']) {
    if (value < 1_024) return `${unit === 'B' ? value : value.toFixed(1)} ${unit}`;
    value /= 1_024;
  }
  return `${value.toFixed(1)} TiB`;
}
