/* Its dback_provider is a number instead of an object: an address where nothing is. */
__asm__(".globl dback_provider\n.set dback_provider, 0x10\n");
