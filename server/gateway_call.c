#include "gateway_call.h"

#include <stdlib.h>
#include <string.h>

void gateway_call_free(struct gateway_call *call)
{
    explicit_bzero(call, sizeof(*call));
    free(call);
}
