# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The records of tests/bench/daemon, one line of key=value for each number of VMs, in;
# table and goals, out, and all of it as JSON to the file `json`.  Status 1 if a goal was missed.

{
	delete v
	for (i = 1; i <= NF; i++) {
		split($i, pair, "=")
		value[NR, pair[1]] = pair[2]
		if (!(pair[1] in seen)) {
			seen[pair[1]] = 1
			keys[++nr_keys] = pair[1]
		}
	}
	place[value[NR, "n"]] = NR
}

function have(k, key) { return (k, key) in value }

function cell(k, key, divisor, format)
{
	return have(k, key) ? sprintf(format, value[k, key] / divisor) : "-"
}

function row(title, key, divisor, format,    k)
{
	printf "%-46s", title
	for (k = 1; k <= NR; k++)
		printf " %12s", cell(k, key, divisor, format)
	printf "\n"
}

function goal(name, figure, relation, limit)
{
	goal_name[++nr_goals] = name
	goal_value[nr_goals] = figure
	goal_limit[nr_goals] = limit
	goal_met[nr_goals] = figure != "" && figure <= limit
	missed += !goal_met[nr_goals]
	printf "%-7s %-62s %10s   <= %s\n", goal_met[nr_goals] ? "met" : "MISSED", name,
		figure == "" ? "-" : sprintf(figure == int(figure) ? "%d" : "%.2f", figure), limit
}

# What one VM costs with many, to what it costs with a tenth of them.
function growth(key, few, many)
{
	if (!(few in place) || !(many in place) || value[place[few], key] + 0 == 0)
		return ""
	return value[place[many], key] / many / (value[place[few], key] / few)
}

function print_table(    k)
{
	printf "nvmxd with N VMs of 8 vCPUs, of which %d fields exited; the kernel is a stand-in, a process\nthat answers over a socket.  Milliseconds unless said otherwise; in brackets what nvmxd itself ran.\n\n", fields
	printf "%-46s", "N"
	for (k = 1; k <= NR; k++)
		printf " %12d", value[k, "n"]
	printf "\n"
	row("wake-ups in " idle " s without work", "wakeups", 1, "%d")
	row("resident memory, KiB", "rss_kib", 1, "%d")
	row("  without VMs, KiB", "base_rss_kib", 1, "%d")
	row("  of it not shared with other programs, KiB", "anon_kib", 1, "%d")
	row("  after lists and metrics, KiB", "rss_after_kib", 1, "%d")
	row("  with a source of settings, KiB", "with_source_rss_kib", 1, "%d")
	row("nvmx-libvirt: resident memory, KiB", "source_rss_kib", 1, "%d")
	row("  of it not shared with other programs, KiB", "source_anon_kib", 1, "%d")
	row("all appear at once: every policy in force", "appear_us", 1e3, "%.1f")
	row("  (nvmxd)", "appear_cpu_us", 1e3, "%.1f")
	row("nvmxctl list", "list_us", 1e3, "%.1f")
	row("  (nvmxd)", "list_cpu_us", 1e3, "%.1f")
	row("  millions of instructions of nvmxctl", "list_instructions", 1e6, "%.1f")
	row("    with --name, as completion does", "list_name_instructions", 1e6, "%.1f")
	row("    with --json=short", "list_json_instructions", 1e6, "%.1f")
	row("virsh list, the whole command", "virsh_us", 1e3, "%.1f")
	row("virsh list, in a session", "virsh_list_us", 1e3, "%.1f")
	row("GetStatistics, microseconds: median", "statistics_p50", 1, "%.0f")
	row("  90 %", "statistics_p90", 1, "%.0f")
	row("  99 %", "statistics_p99", 1, "%.0f")
	row("  longest", "statistics_max", 1, "%.0f")
	row("ListStatistics, all VMs", "all_p50", 1e3, "%.1f")
	row("one scrape: nvmxctl metrics", "metrics_us", 1e3, "%.1f")
	row("  (nvmxd)", "metrics_cpu_us", 1e3, "%.1f")
	row("  of KiB", "metrics_bytes", 1024, "%.0f")
	printf "\n"
}

function write_json(    k, i)
{
	printf "{\n\t\"vcpus\": 8,\n\t\"fields_per_vm\": %d,\n\t\"idle_seconds\": %d,\n\t\"runs\": [\n", fields, idle >json
	for (k = 1; k <= NR; k++) {
		printf "\t\t{" >json
		for (i = 1; i <= nr_keys; i++)
			printf "%s \"%s\": %s", (i > 1 ? "," : ""), keys[i], (have(k, keys[i]) ? value[k, keys[i]] : "null") >json
		printf " }%s\n", k < NR ? "," : "" >json
	}
	printf "\t],\n\t\"goals\": [\n" >json
	for (i = 1; i <= nr_goals; i++)
		printf "\t\t{ \"name\": \"%s\", \"value\": %s, \"limit\": %s, \"met\": %s }%s\n", goal_name[i],
			goal_value[i] == "" ? "null" : goal_value[i], goal_limit[i],
			goal_met[i] ? "true" : "false", i < nr_goals ? "," : "" >json
	printf "\t]\n}\n" >json
}

END {
	print_table()
	k = place[1000]
	if (k) {
		goal("wake-ups with 1,000 VMs without work", value[k, "wakeups"] + 0, "<=", 0)
		goal("resident memory with 1,000 VMs, KiB", value[k, "rss_kib"] + 0, "<=", 10240)
		goal("  of it not shared with other programs, KiB", value[k, "anon_kib"] + 0, "<=", 4096)
		goal("what nvmxd runs for nvmxctl list, microseconds", value[k, "list_cpu_us"] + 0, "<=", 2000)
		if (value[k, "virsh_list_us"] > 0)
			goal("nvmxctl list to virsh list in a session, 1,000 VMs", value[k, "list_us"] / value[k, "virsh_list_us"], "<=", 1)
	}
	if (1000 in place && 10000 in place) {
		goal("what nvmxd runs per VM, 10,000 to 1,000: appear", growth("appear_cpu_us", 1000, 10000), "<=", 1.5)
		goal("what nvmxd runs per VM, 10,000 to 1,000: list", growth("list_cpu_us", 1000, 10000), "<=", 1.5)
		goal("what nvmxd runs per VM, 10,000 to 1,000: metrics", growth("metrics_cpu_us", 1000, 10000), "<=", 1.5)
	}
	write_json()
	printf "\n%d of %d goals met; all figures are in %s\n", nr_goals - missed, nr_goals, json
	exit missed || !NR
}
