/**
 * The sending computer's name from the trace fields, RFC 5321 §4.4.
 *
 *     From-domain = "FROM" FWS Extended-Domain
 *     Extended-Domain = Domain / ( Domain FWS "(" TCP-info ")" ) / ( address-literal FWS "(" TCP-info ")" )
 */
import { unfold } from './header.ts';

/** Octets of one field looked at: the name stands at its beginning. */
const fieldPrefix = 500;

/** Host named by `from` in the bottom field that names a real one. `fields` are in header order. */
export function receivedHost(fields: readonly string[]): string | undefined {
  for (let index = fields.length - 1; index >= 0; index--) {
    const host = hostOf(unfold((fields[index] ?? '').slice(0, fieldPrefix)));
    if (host !== undefined) return host;
  }
  return undefined;
}

function hostOf(field: string): string | undefined {
  const match = /^\s*from\s+([^\s;()]+)\s*(.*)$/is.exec(field);
  if (match === null) return undefined;
  const [, name = '', rest = ''] = match;
  if (isHostName(name)) return name.replace(/\.$/, '');
  // qmail and Exim put the greeting behind the address: `from unknown (HELO pc-17) (1.2.3.4)`, `(helo=pc-17)`.
  const greeting = /^[^;]*?\(?\b(?:HELO|EHLO)[\s=]+([^\s;()]+)/i.exec(rest.slice(0, 200))?.[1];
  return greeting !== undefined && isHostName(greeting) ? greeting : undefined;
}

function isHostName(name: string): boolean {
  if (/^(?:unknown|localhost|localhost\..*|localhost6?|local|\d+\.\d+\.\d+\.\d+|by|with)$/i.test(name))
    return false;
  if (/^localhost/i.test(name) || name.includes('::')) return false;
  return /^[^\s$@:[\]<>"'=,/\\]+$/.test(name) && /[^.\d-]/.test(name);
}
