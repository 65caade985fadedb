// Stands in for pthread_create: while MOST_THREADS threads live it fails, as where too few processes are allowed.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct start {
    void *(*function)(void *);
    void *argument;
};

static atomic_int living;

static void end(void *unused) {
    (void)unused;
    atomic_fetch_sub(&living, 1);
}

static void *begin(void *given) {
    struct start start = *(struct start *)given;
    void *result;
    free(given);
    pthread_cleanup_push(end, NULL);
    result = start.function(start.argument);
    pthread_cleanup_pop(1);
    return result;
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*function)(void *), void *argument) {
    int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) = dlsym(RTLD_NEXT, "pthread_create");
    const char *most = getenv("MOST_THREADS");
    struct start *start = malloc(sizeof *start);
    int error = EAGAIN;
    if (start == NULL) return EAGAIN;
    *start = (struct start){function, argument};
    if (atomic_fetch_add(&living, 1) < (most ? atoi(most) : 1 << 30)) error = create(thread, attributes, begin, start);
    if (error) {
        free(start);
        atomic_fetch_sub(&living, 1);
    }
    return error;
}
