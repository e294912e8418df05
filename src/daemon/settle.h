/* Memory after start-up. Any time, one thread; changes nothing that a program can see. */
#ifndef NJ_DAEMON_SETTLE_H
#define NJ_DAEMON_SETTLE_H

/* Lets go of the code and constants of program and libraries that only start-up touched, and of free heap: what is
 * needed again comes back from the page cache. */
void nj_settle(void);
/* From now on some MiB of free heap are kept for what comes next. Before other threads start. */
void nj_settle_heap(void);

#endif
