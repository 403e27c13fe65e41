/* The store contract on SQLite. */
#include "store_factories.h"

int main(void)
{
    return store_suite_run(&store_factory_sqlite);
}
