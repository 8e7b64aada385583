/* To be refused: a shared object like any other. */
int nothing_here(void);

int nothing_here(void)
{
    return 42;
}
