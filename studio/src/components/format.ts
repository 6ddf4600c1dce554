const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
const small = new Intl.NumberFormat('en', { maximumFractionDigits: 2 });

export function count(value: number): string {
  return value < 10_000 ? small.format(value) : compact.format(value);
}

export function rate(perSecond: number): string {
  if (perSecond === 0) return '0/s';
  if (perSecond < 0.01) return '<0.01/s';
  return `${count(perSecond)}/s`;
}

export function seconds(value: number): string {
  if (value === 0) return '–';
  if (value < 1) return `${small.format(value * 1000)} ms`;
  return `${small.format(value)} s`;
}

/** `VERSION_CREATED` as a person writes it. */
export function words(name: string): string {
  const text = name.toLowerCase().replaceAll('_', ' ');
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export function pretty(value: unknown): string {
  return JSON.stringify(value, null, 2) ?? 'null';
}

/** JSON text to a value; the message says where it breaks. */
export function parseJson(text: string): { value: unknown } | { error: string } {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch (error) {
    return { error: error instanceof Error ? error.message : 'not JSON' };
  }
}

/** JSON text with its structure shown; other text as it is. */
export function reformat(text: string): string {
  const parsed = parseJson(text);
  return 'value' in parsed ? pretty(parsed.value) : text;
}
