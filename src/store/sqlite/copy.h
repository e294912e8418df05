/* Copies of one connection; what both stores' functions call. Only store/sqlite includes this. */
#ifndef NJ_STORE_SQLITE_COPY_H
#define NJ_STORE_SQLITE_COPY_H

#include "store/sqlite/db.h"

struct nj_store_copy;

NJ_MUST_USE enum nj_err nj_db_copy(struct nj_db *from, struct nj_store_copy **out_copy, struct nj_why *why);

#endif
