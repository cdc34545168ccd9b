/** Real traffic to start from: the fixtures, and captures beside the project where they are. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { readCapture } from '../../src/capture/read-capture.ts';
import { Conversation, type ConversationKind } from '../../src/dialogue/conversation.ts';
import { wellKnownPorts } from '../../src/dialogue/ports.ts';
import { KeyLog } from '../../src/dialogue/tls/key-log.ts';
import type { RawMessage } from '../../src/dialogue/types.ts';
import { PacketDecoder } from '../../src/packet/packet-decoder.ts';
import { Reassembler } from '../../src/stream/reassembler.ts';
import type { Connection, StreamEvent } from '../../src/stream/types.ts';
import { fixturesFolder } from '../support/fixture.ts';
import { sharedCaptures, sharedNames } from '../support/shared-captures.ts';

export interface HeardConversation {
  readonly connection: Connection;
  readonly kind: ConversationKind;
  readonly events: readonly StreamEvent[];
  readonly messages: readonly RawMessage[];
  /** Key log of its capture. */
  readonly secrets: string;
}

const captureName = /\.(?:pcapng|pcap|gz|zst|lz4)$/;

/** Files of at most `bytesMax` octets. */
export function captureFiles(bytesMax: number): string[] {
  const fixtures = readdirSync(fixturesFolder, { recursive: true, encoding: 'utf8' });
  const lab = sharedNames('lab').map((name) => sharedCaptures('lab', name) ?? '');
  return [...fixtures.map((name) => join(fixturesFolder, name)), ...lab].filter(
    (file) => captureName.test(file) && statSync(file).size <= bytesMax && statSync(file).size >= 24,
  );
}

export function captureBytes(bytesMax: number): Buffer[] {
  return captureFiles(bytesMax).map((file) => readFileSync(file));
}

/** All conversations of at most `octetsMax` payload octets in files of at most `bytesMax`. */
export async function conversations(bytesMax: number, octetsMax: number): Promise<HeardConversation[]> {
  const all: HeardConversation[] = [];
  for (const file of captureFiles(bytesMax)) all.push(...(await conversationsOf(file)));
  return all.filter(({ events }) => {
    const octets = events.reduce((sum, event) => sum + (event.kind === 'data' ? event.bytes.length : 0), 0);
    return octets > 0 && octets <= octetsMax;
  });
}

interface Writing {
  readonly conversation: Conversation;
  readonly events: StreamEvent[];
  readonly messages: RawMessage[];
}

async function conversationsOf(file: string): Promise<HeardConversation[]> {
  const keyLog = new KeyLog();
  const heard: Writing[] = [];
  let secrets = '';
  const packets = new PacketDecoder();
  const accept = (connection: Connection) => {
    const conversation = new Conversation(connection, { trace: false, ports: wellKnownPorts, keyLog });
    const writing: Writing = { conversation, events: [], messages: [] };
    heard.push(writing);
    return {
      receive: (event: StreamEvent): boolean => {
        writing.events.push(event.kind === 'data' ? { ...event, bytes: Buffer.from(event.bytes) } : event);
        for (const out of conversation.receive(event)) {
          if (out.kind === 'message') writing.messages.push(out);
        }
        return true;
      },
    };
  };
  const streams = new Reassembler({ accept, anomaly: () => undefined }, { mailPorts: wellKnownPorts });
  await readCapture(file, {
    packet: (packet) => {
      const segment = packets.decode(packet);
      if (segment) streams.receive(segment, 0);
    },
    secrets: (text) => {
      keyLog.add(text);
      secrets += text.toString('latin1');
    },
    anomaly: () => undefined,
  });
  streams.end();
  return heard.map(({ conversation: { connection, kind }, events, messages }) => {
    return { connection, kind, events, messages, secrets };
  });
}
