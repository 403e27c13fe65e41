/* The store contract on MariaDB, each test with a database of its own. */
#include "mysql_factory.h"

int main(void)
{
    if (!mariadb_server_is_there()) {
        return 0;
    }
    if (!mysql_factory_start(true)) {
        return 1;
    }
    int failed = store_suite_run(&store_factory_mysql);
    mysql_factory_stop();
    return failed;
}
