#include "mysql_row_ids.h"

#include <string.h>

/* UUIDv5 is a hash already, but ids of the old service need not be. */
static uint64_t key_of(const struct uuid *payment_id)
{
    uint64_t halves[2];
    memcpy(halves, payment_id->bytes, sizeof(halves));
    uint64_t key = (halves[0] ^ (halves[1] * UINT64_C(0x9e3779b97f4a7c15)));
    key = (key ^ (key >> 32)) * UINT64_C(0xbf58476d1ce4e5b9);
    return key ^ (key >> 29);
}

void row_ids_learn(struct row_ids *ids, const struct uuid *payment_id, int64_t row_id)
{
    uint64_t key = key_of(payment_id);
    int way = 0;
    if (row_id <= 0) {
        return; /* a server may have such rows, made by hand */
    }
    while (way < ROW_IDS_WAYS - 1 && ids->sets[key % ROW_IDS_SETS][way].key != key) {
        way++;
    }
    /* The newest is first; what is known already moves there. */
    for (; way > 0; way--) {
        ids->sets[key % ROW_IDS_SETS][way] = ids->sets[key % ROW_IDS_SETS][way - 1];
    }
    ids->sets[key % ROW_IDS_SETS][0].key = key;
    ids->sets[key % ROW_IDS_SETS][0].row_id = row_id;
}

int64_t row_ids_find(const struct row_ids *ids, const struct uuid *payment_id)
{
    uint64_t key = key_of(payment_id);
    for (int way = 0; way < ROW_IDS_WAYS; way++) {
        if (ids->sets[key % ROW_IDS_SETS][way].key == key) {
            return ids->sets[key % ROW_IDS_SETS][way].row_id;
        }
    }
    return 0;
}
