/** Packets to raw messages in memory, without files, decoding and rows: for tests that do it thousands of times. */
import { Conversation } from '../../src/dialogue/conversation.ts';
import { wellKnownPorts } from '../../src/dialogue/ports.ts';
import { KeyLog } from '../../src/dialogue/tls/key-log.ts';
import type { RawMessage } from '../../src/dialogue/types.ts';
import { PacketDecoder } from '../../src/packet/packet-decoder.ts';
import { Reassembler } from '../../src/stream/reassembler.ts';
import type { Connection, StreamEvent } from '../../src/stream/types.ts';
import { asPacket, type TestPacket } from './packets.ts';

export function overhearPackets(packets: readonly TestPacket[], secrets: string): RawMessage[] {
  const keyLog = new KeyLog();
  keyLog.add(secrets);
  const messages: RawMessage[] = [];
  const accept = (connection: Connection) => {
    const conversation = new Conversation(connection, { trace: false, ports: wellKnownPorts, keyLog });
    return {
      receive: (event: StreamEvent): boolean => {
        for (const heard of conversation.receive(event)) if (heard.kind === 'message') messages.push(heard);
        return conversation.isOfInterest;
      },
    };
  };
  const decoder = new PacketDecoder();
  const streams = new Reassembler({ accept, anomaly: () => undefined }, { mailPorts: wellKnownPorts });
  packets.forEach((packet, index) => {
    const segment = decoder.decode(asPacket(packet, index + 1));
    if (segment) streams.receive(segment, 0);
  });
  decoder.finish();
  streams.end();
  return messages;
}
