#include "deploy/cluster_access.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "os/fd.h"

#define CREDENTIAL_MAX ((size_t)1 << 20)

struct cluster_access {
    struct loop *loop;
    struct rpc *worker;
    struct kube_cluster cluster;
    struct kube_credentials credentials;
    int fd; // on which the credential comes; -1
    struct loop_io io;
    struct str text; // of it, so far
    kube_credential_fn *done;
    void *done_arg;
};

static void cancel(void *arg)
{
    struct cluster_access *a = arg;
    loop_io_stop(&a->io);
    fd_reset(&a->fd);
    if (a->text.data)
        explicit_bzero(a->text.data, a->text.length);
    str_clear(&a->text);
}

static int read_document(
    const struct cluster_access *a, struct kube_credential *ret, struct error *err)
{
    if (!a->text.length)
        return error_set(err, ERR_CONFLICT, "the worker has given no credential");
    if (str_check(&a->text, "credential", err) < 0)
        return -1;
    AUTO(value) struct value *document = value_parse(a->text.data, a->text.length, err);
    if (!document)
        return -1;
    const struct value *failure = value_get(document, "error");
    if (!failure)
        return kube_credential_from_value(document, ret, err);
    error_from_value(failure, err);
    return -1;
}

static void on_bytes(struct loop_io *io, uint32_t events)
{
    (void)events;
    struct cluster_access *a = io->arg;
    AUTO(kube_credential) struct kube_credential credential = {0};
    struct error err = {0};
    char buffer[16384];
    ssize_t n = read(a->fd, buffer, sizeof buffer);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n > 0) {
        str_add(&a->text, buffer, (size_t)n);
        explicit_bzero(buffer, (size_t)n);
        return;
    }
    int status = read_document(a, &credential, &err);
    cancel(a);
    a->done(a->done_arg, status < 0 ? NULL : &credential, status < 0 ? &err : NULL);
}

static int fetch(
    void *arg, bool refused, kube_credential_fn *done, void *done_arg, struct error *err)
{
    struct cluster_access *a = arg;
    AUTO(ipc_fds) struct ipc_fds fds = {0};
    struct value *params = value_map();
    value_set_bool(params, "refused", refused);
    if (rpc_call(a->worker, "cluster_credential", params, NULL, 0, RPC_WAIT_FOREVER, NULL, &fds,
            err) < 0)
        return -1;
    if (fds.count != 1)
        return error_set(err, ERR_PROTOCOL, "cluster_credential: the worker gave no descriptor");
    if (fd_set_nonblocking(fds.fd[0], err) < 0 ||
        loop_io_start(a->loop, &a->io, fds.fd[0], EPOLLIN, on_bytes, a, err) < 0)
        return -1;
    a->fd = take_fd(fds.fd[0]);
    a->done = done;
    a->done_arg = done_arg;
    return 0;
}

struct cluster_access *cluster_access_new(struct loop *loop, struct rpc *worker, struct error *err)
{
    AUTO(cluster_access) struct cluster_access *a = mem_alloc(sizeof *a);
    AUTO(value) struct value *answer = NULL;
    a->loop = loop;
    a->worker = worker;
    a->fd = -1;
    a->credentials = (struct kube_credentials){.fetch = fetch, .cancel = cancel, .arg = a};
    str_init(&a->text, CREDENTIAL_MAX);
    if (rpc_call(worker, "cluster", NULL, NULL, 0, RPC_WAIT_FOREVER, &answer, NULL, err) < 0 ||
        kube_cluster_from_value(answer, &a->cluster, err) < 0)
        return NULL;
    return take_ptr(a);
}

void cluster_access_free(struct cluster_access *a)
{
    if (!a)
        return;
    cancel(a);
    str_done(&a->text);
    kube_cluster_done(&a->cluster);
    free(a);
}

const struct kube_cluster *cluster_access_cluster(const struct cluster_access *a)
{
    return &a->cluster;
}

const struct kube_credentials *cluster_access_credentials(const struct cluster_access *a)
{
    return &a->credentials;
}
