/* A shared object like any other: it isn't a provider. */
int nothing_here(void);

int nothing_here(void)
{
    return 42;
}
