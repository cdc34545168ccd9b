/** The layers around a conversation, as they are told to a person. */
import type { Layer, LayerNote } from './layer.ts';
import { ProxyLayer } from './proxy-layer.ts';
import { TlsLayer } from './tls/tls-layer.ts';
import type { WrapperKind } from './wrapper.ts';

/** A layer that was peeled off, or could not be. */
export interface LayerSummary {
  readonly name: 'tls' | 'starttls' | 'compress' | Exclude<WrapperKind, 'tls'>;
  /** For a person: server name, version, cipher suite, target, and why nothing came out of it. */
  readonly detail: string;
}

export interface PeeledLayer {
  readonly name: LayerSummary['name'];
  readonly layer: Layer;
  /** Octets of the connection that had been delivered when it began. */
  readonly begunAt: number;
  /** What the layer said about itself. */
  note: LayerNote | undefined;
}

export function describe({ name, layer, note }: PeeledLayer): LayerSummary {
  if (layer instanceof ProxyLayer) {
    const { target } = layer;
    const wanted = target === null ? [] : [`to ${target.host}:${target.port}`];
    return { name, detail: [...wanted, ...(note ? [note.detail] : [])].join(', ') };
  }
  if (!(layer instanceof TlsLayer)) return { name, detail: '' };
  if (note?.what === 'absent') return { name, detail: 'plain text goes on: taken off before the capture' };
  if (note !== undefined) return { name, detail: `not decrypted: ${note.detail}` };
  const { serverName, version, cipherSuite } = layer.session;
  return {
    name,
    detail: [serverName, version, cipherSuite, 'decrypted'].filter((part) => part !== null).join(', '),
  };
}
