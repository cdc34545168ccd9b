/** A layer between TCP and the mail protocol: stream events in, events of what was inside out. */
import type { Anomaly } from '../core/anomaly.ts';
import type { StreamEvent } from '../stream/types.ts';

/** What a layer says about itself, at most once each. */
export interface LayerNote {
  readonly kind: 'note';
  /**
   * `encrypted`: the secrets are missing, nothing of the content will come.
   * `absent`: the octets are not of this layer; they come out unchanged.
   */
  readonly what: 'encrypted' | 'absent';
  /** For a person: server name, version, cipher suite, reason. */
  readonly detail: string;
}

export type LayerEvent = StreamEvent | Anomaly | LayerNote;

/**
 * Does no I/O and never throws on content. `data` that comes out carries the sighting of the packet in which
 * its first octet was (in a TLS record: in which the record began); its sequence is that of the layer's
 * first octet plus the octets that came out before, so that it does not depend on how packets were cut.
 */
export interface Layer {
  receive(event: StreamEvent): Iterable<LayerEvent>;
  /** What it holds until more comes, in octets, the objects they are in counted near enough. */
  readonly heldBytes: number;
}
