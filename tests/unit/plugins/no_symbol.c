/* A shared object that isn't a provider. */
__attribute__((visibility("default"))) int something_else(void);

int something_else(void)
{
    return 1;
}
