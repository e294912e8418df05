/* Names that more than one process assumes when a command leaves them out. */
#ifndef NJ_BUS_DEFAULTS_H
#define NJ_BUS_DEFAULTS_H

#define NJ_CUSTOMER_DEFAULT "main"

#endif
