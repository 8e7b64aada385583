/* Its dback_provider is a function: reading it as data would judge machine code. */
__attribute__((visibility("default"))) int dback_provider(void);

int dback_provider(void)
{
    return 1;
}
