/* The store contract on the model, and what only the model promises. */
#include "store_factories.h"

int main(void)
{
    return store_suite_run(&store_factory_model);
}
