/** What a TCP connection tells once it is put in order. */
import type { Anomaly } from '../core/anomaly.ts';

export type Sender = 'client' | 'server';

export interface Endpoint {
  /** IPv4 dotted, IPv6 as RFC 5952 text. */
  readonly address: string;
  readonly port: number;
}

export interface Connection {
  /** Counts from 1 within a run. */
  readonly id: number;
  readonly client: Endpoint;
  readonly server: Endpoint;
  /** A SYN told who the client is; otherwise the ports did, and the dialogue may know better. */
  readonly handshakeSeen: boolean;
}

/** Where and when an octet was captured. */
export interface Sighting {
  /** Index of the file in its `CaptureSeries`. */
  readonly capture: number;
  readonly frame: number;
  /** Nanoseconds since 1970, UTC. */
  readonly timestampNs: bigint;
  /** Of the IP packet that carried the octet, see `Segment`. */
  readonly ipLength: number;
  readonly ttl: number;
}

/** New octets in order. `bytes` is a view that dies when the receiver returns. */
export interface StreamData {
  readonly kind: 'data';
  readonly sender: Sender;
  readonly bytes: Buffer;
  /** TCP sequence number of the first octet; within a TLS or DEFLATE layer, see `Layer`. */
  readonly sequence: number;
  readonly seen: Sighting;
}

/** Octets that were sent but are not in the capture. What follows is the next `data` of this sender. */
export interface StreamGap {
  readonly kind: 'gap';
  readonly sender: Sender;
  /** Octets lost; at least 1. */
  readonly length: number;
  /** Sequence number of the first lost octet. */
  readonly sequence: number;
  /** The packet that made the gap certain. */
  readonly seen: Sighting;
}

export type CloseReason =
  | 'fin'
  | 'rst'
  /** No packets for `streamLimits.idleSeconds`. */
  | 'idle'
  /** A new connection uses the same addresses and ports. */
  | 'reuse'
  /** Pushed out by newer connections. */
  | 'limit'
  /** The capture ends here. */
  | 'end';

/** `client` or `server`: this side sends no more (half-close). `both`: the last event of the connection. */
export interface StreamClose {
  readonly kind: 'close';
  readonly side: Sender | 'both';
  readonly reason: CloseReason;
}

/** The first event of a connection. */
export interface StreamOpen {
  readonly kind: 'open';
  readonly connection: Connection;
}

export type StreamEvent = StreamOpen | StreamData | StreamGap | StreamClose;

/**
 * Takes the events of one connection. `false` from `receive` means "no more interest": the connection
 * is forgotten and its further packets cost next to nothing.
 */
export interface StreamConsumer {
  receive(event: StreamEvent): boolean;
}

/** Who wants a new connection, and where anomalies of streams go. */
export interface StreamObserver {
  /** `firstCapture` is the index of the file in which the connection was first seen. */
  accept(connection: Connection, firstCapture: number): StreamConsumer;
  /** Consumers hold too much together: the longest idle connection is to be closed. */
  isCrowded?(): boolean;
  anomaly(anomaly: Anomaly): void;
}
