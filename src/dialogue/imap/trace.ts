/** Commands and responses as `mailproc explain` shows them: no literals, no secrets. */
import type { Sender, Sighting } from '../../stream/types.ts';
import type { Trace } from '../types.ts';
import type { Unit } from './unit.ts';

const TEXT_LENGTH_MAX = 200;

/** `secret`: a line of an authentication; `noise`: no command, and so it may be anything, a password too. */
export function traceOf(
  sender: Sender,
  unit: Unit,
  what: 'command' | 'secret' | 'noise',
  seen: Sighting,
): Trace {
  return { kind: 'trace', sender, text: what === 'command' ? textOf(unit) : hidden(unit, what), seen };
}

/** The announcement `{n}` ends a text, so that the texts alone show where literals stand. */
function textOf(unit: Unit): string {
  let text = '';
  for (const fragment of unit.fragments) {
    if (fragment.kind === 'text') text += fragment.bytes.toString('utf8', 0, TEXT_LENGTH_MAX * 4);
    if (text.length >= TEXT_LENGTH_MAX) break;
  }
  const login = /^(\S+ LOGIN )/i.exec(text);
  const authenticate = /^(\S+ AUTHENTICATE \S+ )./i.exec(text);
  const shown = login?.[1] ?? authenticate?.[1];
  return shown === undefined ? text.slice(0, TEXT_LENGTH_MAX) : `${shown.slice(0, TEXT_LENGTH_MAX - 3)}***`;
}

function hidden(unit: Unit, what: 'secret' | 'noise'): string {
  const first = unit.fragments[0];
  const line = first?.kind === 'text' ? first.part(0, 10).toUpperCase() : '';
  return what === 'noise' && line === 'DONE' ? 'DONE' : '***';
}
