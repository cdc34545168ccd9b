/** What a thread that reads shares keeps from one to the next: room for mails in progress, and who makes mails. */
import { ZoneClock } from '../core/clock.ts';
import type { Job } from './job.ts';
import { MailMaker, type MailOutputs } from './making/mail-maker.ts';
import { type MailMaking, MakingHere } from './making/mail-making.ts';
import { type ShareMemory, shareMemory } from './memory/share-memory.ts';

export interface ShareEquipment {
  readonly memory: ShareMemory;
  readonly making: MailMaking;
  /** Nothing is asked of it any more. */
  close(): Promise<void>;
}

/** `makers`: threads that make mails; where there are none, who reads makes them. */
export async function equip(job: Job, makers: number): Promise<ShareEquipment> {
  const memory = shareMemory(job);
  const { day, imageFolder, attachmentFolder, messageFolder, timeZone } = job;
  const outputs: MailOutputs = { day, imageFolder, attachmentFolder, messageFolder };
  if (makers === 0) {
    const making = new MakingHere(new MailMaker(outputs, new ZoneClock(timeZone)));
    return { memory, making, close: async () => memory.close() };
  }
  const { MakerThreads } = await import('./making/maker-threads.ts');
  const making = new MakerThreads(makers, { outputs, timeZone });
  const close = async (): Promise<void> => {
    memory.close();
    await making.close();
  };
  return { memory, making, close };
}
