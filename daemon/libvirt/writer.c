/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Threads that write statistics into domains.  The two queues are under the mutex; a job belongs
 * to whoever took it out.  A thread owns its connection.
 */
#include "daemon/libvirt/writer.h"

#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>

#include <libvirt/virterror.h>

#include "daemon/libvirt/connection.h"
#include "daemon/libvirt/domain.h"
#include "policy/libvirt-pid.h"
#include "policy/util.h"

/* A thread that has not ended by then sits in a libvirt that does not answer. */
#define STOP_SECONDS	1

struct queue {
	struct writer_job *first, **end;
};

struct writer {
	/* the loop's thread only */
	sd_event_source *source;
	writer_done_t on_done;
	void *userdata;
	pthread_t threads[WRITER_THREADS_MAX];
	unsigned int n_threads;

	/* constant */
	char *uri;
	int done_fd;			/* eventfd: there are done ones */

	pthread_mutex_t mutex;		/* all below */
	pthread_cond_t wake;
	struct queue todo, done;
	unsigned int n_todo, n_idle, n_doubtful;
	bool stop;
};

struct writer_job *writer_job_free(struct writer_job *job)
{
	if (!job)
		return NULL;
	free(job->text);
	free(job->error_text);
	free(job);
	return NULL;
}

static void queue_append(struct queue *q, struct writer_job *job)
{
	job->next = NULL;
	*q->end = job;
	q->end = &job->next;
}

static struct writer_job *queue_take(struct queue *q, bool allow_doubtful)
{
	struct writer_job **p = &q->first, *job;

	while ((job = *p) && job->doubtful && !allow_doubtful)
		p = &job->next;
	if (!job)
		return NULL;
	*p = job->next;
	if (!*p)
		q->end = p;
	return job;
}

static void queue_clear(struct queue *q)
{
	struct writer_job *job;

	while ((job = queue_take(q, true)))
		writer_job_free(job);
}

/* ---- a thread ---- */

/* Does libvirt refuse us as such, so that the next write would fare no better? */
static bool is_refusal(void)
{
	const virError *e = virGetLastError();

	switch (e ? e->code : VIR_ERR_OK) {
	case VIR_ERR_AUTH_FAILED:
	case VIR_ERR_AUTH_CANCELLED:
	case VIR_ERR_AUTH_UNAVAILABLE:
	case VIR_ERR_OPERATION_DENIED:
	case VIR_ERR_ACCESS_DENIED:
		return true;
	case VIR_ERR_SYSTEM_ERROR:
		return e->int1 == EACCES || e->int1 == EPERM;
	}
	return false;
}

static void fail(struct writer_job *job)
{
	job->error = is_refusal() ? -EACCES : -EIO;
	job->error_text = strdup(connection_error());
}

/* Is it the run of the domain that the job is for?  1, 0, or why that cannot be told. */
static int is_meant(virConnectPtr conn, virDomainPtr dom, const struct writer_job *job)
{
	_cleanup_free_ char *uri = NULL, *dir = NULL;
	int id = (int)virDomainGetID(dom);

	if (id < 0)
		return 0;
	if (job->pid == 0)
		return id == job->id;
	uri = virConnectGetURI(conn);
	dir = uri ? libvirt_pid_dir(uri) : NULL;
	if (!dir)
		return -EIO;
	return domain_is_process(dir, virDomainGetName(dom), job->pid, job->start_time, NULL);
}

static void set_element(virDomainPtr dom, struct writer_job *job)
{
	if (virDomainSetMetadata(dom, VIR_DOMAIN_METADATA_ELEMENT, job->text,
				 job->text ? STATISTICS_PREFIX : NULL, STATISTICS_NAMESPACE,
				 VIR_DOMAIN_AFFECT_LIVE) >= 0)
		return;
	switch (virGetLastErrorCode()) {
	case VIR_ERR_NO_DOMAIN:
	case VIR_ERR_OPERATION_INVALID:	/* it stopped in between */
	case VIR_ERR_NO_DOMAIN_METADATA:
		return;
	}
	fail(job);
}

/* A domain that is gone, or that runs anew, has nothing of ours in it. */
static void do_job(virConnectPtr conn, struct writer_job *job)
{
	virDomainPtr dom;
	int r;

	dom = virDomainLookupByUUIDString(conn, job->uuid);
	if (!dom) {
		if (virGetLastErrorCode() != VIR_ERR_NO_DOMAIN)
			fail(job);
		return;
	}
	r = is_meant(conn, dom, job);
	if (r > 0) {
		set_element(dom, job);
	} else if (r < 0) {
		job->error = -EIO;
		if (asprintf(&job->error_text, "which process the domain is cannot be told: %s", strerror(-r)) < 0)
			job->error_text = NULL;
	}
	virDomainFree(dom);
}

/* Waits for one that may be begun; NULL: there is none and @wait is not set, or it is time to end. */
static struct writer_job *take(struct writer *w, bool wait)
{
	struct writer_job *job = NULL;

	pthread_mutex_lock(&w->mutex);
	while (!w->stop && !(job = queue_take(&w->todo, w->n_doubtful < WRITER_DOUBTFUL_MAX)) && wait) {
		w->n_idle++;
		pthread_cond_wait(&w->wake, &w->mutex);
		w->n_idle--;
	}
	if (job)
		w->n_todo--;
	if (job && job->doubtful)
		w->n_doubtful++;
	pthread_mutex_unlock(&w->mutex);
	return job;
}

static void give_back(struct writer *w, struct writer_job *job)
{
	ssize_t n;

	pthread_mutex_lock(&w->mutex);
	if (job->doubtful) {
		w->n_doubtful--;
		pthread_cond_signal(&w->wake);	/* another may be begun */
	}
	queue_append(&w->done, job);
	pthread_mutex_unlock(&w->mutex);

	/* Fails only when its counter is full: then it is readable. */
	n = write(w->done_fd, &(uint64_t){ 1 }, sizeof(uint64_t));
	(void)n;
}

static void *thread_main(void *userdata)
{
	struct writer *w = userdata;
	struct writer_job *job;

	pthread_setname_np(pthread_self(), "libvirt-write");
	while ((job = take(w, true))) {
		virConnectPtr conn = virConnectOpen(w->uri);

		for (; job; job = take(w, false)) {
			if (conn)
				do_job(conn, job);
			else
				fail(job);
			give_back(w, job);
		}
		if (conn)
			virConnectClose(conn);
	}
	return NULL;
}

/* ---- the loop's thread ---- */

static int on_done_fd(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct writer *w = userdata;
	struct writer_job *job, *next;
	uint64_t count;
	ssize_t n;

	n = read(fd, &count, sizeof(count));
	(void)n;
	pthread_mutex_lock(&w->mutex);
	job = w->done.first;
	w->done = (struct queue) { .end = &w->done.first };
	pthread_mutex_unlock(&w->mutex);

	for (; job; job = next) {
		next = job->next;
		w->on_done(job, w->userdata);
		writer_job_free(job);
	}
	return 0;
}

/* Signals are the loop's: sd-event reads them from a signalfd. */
static int start_thread(struct writer *w)
{
	sigset_t all, saved;
	int r;

	sigfillset(&all);
	r = pthread_sigmask(SIG_SETMASK, &all, &saved);
	if (r)
		return -r;
	r = pthread_create(&w->threads[w->n_threads], NULL, thread_main, w);
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
	if (r)
		return -r;
	w->n_threads++;
	return 0;
}

int writer_add(struct writer *w, struct writer_job *job)
{
	bool idle;
	int r;

	pthread_mutex_lock(&w->mutex);
	idle = w->n_idle > w->n_todo;
	pthread_mutex_unlock(&w->mutex);
	/* It is enough that there is one. */
	if (!idle && w->n_threads < WRITER_THREADS_MAX) {
		r = start_thread(w);
		if (r < 0 && w->n_threads == 0)
			return r;
	}

	pthread_mutex_lock(&w->mutex);
	queue_append(&w->todo, job);
	w->n_todo++;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->mutex);
	return 0;
}

int writer_new(sd_event *event, const char *uri, writer_done_t on_done, void *userdata,
	       struct writer **ret)
{
	struct writer *w;
	int r;

	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->on_done = on_done;
	w->userdata = userdata;
	w->todo.end = &w->todo.first;
	w->done.end = &w->done.first;
	pthread_mutex_init(&w->mutex, NULL);
	pthread_cond_init(&w->wake, NULL);
	w->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = w->done_fd < 0 ? -errno : 0;
	if (r >= 0) {
		w->uri = strdup(uri);
		r = w->uri ? sd_event_add_io(event, &w->source, w->done_fd, EPOLLIN, on_done_fd, w) : -ENOMEM;
	}
	if (r < 0) {
		writer_free(w);
		return r;
	}

	*ret = w;
	return 0;
}

bool writer_stop(struct writer *w)
{
	struct timespec until;

	pthread_mutex_lock(&w->mutex);
	w->stop = true;
	pthread_cond_broadcast(&w->wake);
	pthread_mutex_unlock(&w->mutex);

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += STOP_SECONDS;
	for (; w->n_threads > 0; w->n_threads--)
		if (pthread_clockjoin_np(w->threads[w->n_threads - 1], NULL, CLOCK_MONOTONIC, &until) != 0)
			return true;
	return false;
}

struct writer *writer_free(struct writer *w)
{
	if (!w)
		return NULL;
	sd_event_source_disable_unref(w->source);
	queue_clear(&w->todo);
	queue_clear(&w->done);
	if (w->done_fd >= 0)
		close(w->done_fd);
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->mutex);
	free(w->uri);
	free(w);
	return NULL;
}
