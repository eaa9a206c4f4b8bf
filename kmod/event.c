// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lifecycle records.  Each open of the device is a reader with a backlog of its
 * own; one that is full drops what comes and says so once it is read, so that a
 * reader that does not read costs a bounded amount and harms nobody else.  Each
 * record goes round all readers under a lock, so a user has a bounded number of them.
 */
#include <linux/cred.h>
#include <linux/kfifo.h>
#include <linux/pid_namespace.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "event.h"

struct nvmx_reader {
	/* In nvmx_readers. */
	struct list_head node;
	/* Who opened it. */
	kuid_t uid;
	/* Whose pids the records name. */
	struct pid_namespace *ns;
	wait_queue_head_t wait;
	/* Guarded by nvmx_readers_lock, as node and lost are. */
	DECLARE_KFIFO(backlog, struct nvmx_event, NVMX_EVENT_BACKLOG);
	u32 lost;
};

static LIST_HEAD(nvmx_readers);
static DEFINE_SPINLOCK(nvmx_readers_lock);

static unsigned int nvmx_readers_of(kuid_t uid)
{
	struct nvmx_reader *reader;
	unsigned int n = 0;

	lockdep_assert_held(&nvmx_readers_lock);

	list_for_each_entry(reader, &nvmx_readers, node)
		n += uid_eq(reader->uid, uid);

	return n;
}

struct nvmx_reader *nvmx_reader_new(struct pid_namespace *ns)
{
	struct nvmx_reader *reader;
	bool too_many;

	reader = kzalloc(sizeof(*reader), GFP_KERNEL_ACCOUNT);
	if (!reader)
		return ERR_PTR(-ENOMEM);

	reader->uid = current_uid();
	reader->ns = ns;
	INIT_KFIFO(reader->backlog);
	init_waitqueue_head(&reader->wait);

	spin_lock(&nvmx_readers_lock);
	too_many = nvmx_readers_of(reader->uid) >= NVMX_MAX_OPENS;
	if (!too_many)
		list_add(&reader->node, &nvmx_readers);
	spin_unlock(&nvmx_readers_lock);

	if (too_many) {
		kfree(reader);
		return ERR_PTR(-EMFILE);
	}

	return reader;
}

void nvmx_reader_free(struct nvmx_reader *reader)
{
	spin_lock(&nvmx_readers_lock);
	list_del(&reader->node);
	spin_unlock(&nvmx_readers_lock);

	kfree(reader);
}

void nvmx_event(u32 type, const struct nvmx_vm_name *vm)
{
	struct nvmx_event event = {
		.size = sizeof(event),
		.type = type,
		.id = vm->id,
		.start_time = vm->start_time,
	};
	struct nvmx_reader *reader;

	spin_lock(&nvmx_readers_lock);
	list_for_each_entry(reader, &nvmx_readers, node) {
		event.pid = pid_nr_ns(vm->owner, reader->ns);
		/* Once one is lost, none may overtake the record that says so. */
		if (reader->lost || !kfifo_put(&reader->backlog, event))
			WRITE_ONCE(reader->lost, reader->lost + (reader->lost < U32_MAX));
		wake_up_interruptible(&reader->wait);
	}
	spin_unlock(&nvmx_readers_lock);
}

static bool nvmx_reader_has_event(struct nvmx_reader *reader)
{
	return !kfifo_is_empty(&reader->backlog) || READ_ONCE(reader->lost);
}

static bool nvmx_reader_next(struct nvmx_reader *reader, struct nvmx_event *event)
{
	bool found = true;

	spin_lock(&nvmx_readers_lock);
	if (!kfifo_get(&reader->backlog, event)) {
		*event = (struct nvmx_event) {
			.size = sizeof(*event),
			.type = NVMX_EVENT_OVERFLOW,
			.lost = reader->lost,
		};
		found = reader->lost;
		WRITE_ONCE(reader->lost, 0);
	}
	spin_unlock(&nvmx_readers_lock);

	return found;
}

ssize_t nvmx_reader_read(struct nvmx_reader *reader, char __user *buf, size_t len,
			 bool nonblock)
{
	struct nvmx_event event;
	ssize_t done = 0;
	int r;

	if (len < sizeof(event))
		return -EINVAL;

	while (len - done >= sizeof(event)) {
		if (!nvmx_reader_next(reader, &event)) {
			if (done)
				break;
			if (nonblock)
				return -EAGAIN;
			r = wait_event_interruptible(reader->wait,
						     nvmx_reader_has_event(reader));
			if (r)
				return r;
			continue;
		}

		/* The record is lost to a reader that gave a bad address. */
		if (copy_to_user(buf + done, &event, sizeof(event)))
			return done ?: -EFAULT;
		done += sizeof(event);
	}

	return done;
}

__poll_t nvmx_reader_poll(struct nvmx_reader *reader, struct file *file,
			  struct poll_table_struct *wait)
{
	poll_wait(file, &reader->wait, wait);

	return nvmx_reader_has_event(reader) ? EPOLLIN | EPOLLRDNORM : 0;
}
