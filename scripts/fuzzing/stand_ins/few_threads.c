// Stands in for pthread_create: after MOST_THREADS threads it fails, as where too few processes are allowed.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

static atomic_int threads;

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*function)(void *), void *argument) {
    int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) = dlsym(RTLD_NEXT, "pthread_create");
    const char *most = getenv("MOST_THREADS");
    if (most && atomic_fetch_add(&threads, 1) >= atoi(most)) return EAGAIN;
    return create(thread, attributes, function, argument);
}
