/* Force-included everywhere: calls that cannot be used safely do not compile. */
#ifndef NJ_BASE_BANNED_H
#define NJ_BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#undef strcpy
#undef strcat
#undef strncpy
#undef strncat
#undef sprintf
#undef vsprintf
#undef strtok
#undef alloca
#undef strdupa
#undef strndupa
#pragma GCC poison strtok strtok_r sscanf fscanf atoi atol atoll atof sprintf vsprintf strcpy strcat strncpy strncat
#pragma GCC poison vsscanf vfscanf vscanf system popen gets tmpnam tmpnam_r tempnam mktemp alloca strdupa strndupa
#pragma GCC poison rand_r asctime asctime_r ctime ctime_r
/* Only the calls: OpenSSL's headers name parameters so. */
#define rand() nj_banned_rand_is_predictable
#define srand(seed) nj_banned_rand_is_predictable

#endif
