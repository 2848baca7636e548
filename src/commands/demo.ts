import type { DemoOptions } from '../demo/demo.ts';
import type { CommandIo, ExitStatus } from './io.ts';
export async function demo(_options: DemoOptions, _io: CommandIo): Promise<ExitStatus> { return 0; }
