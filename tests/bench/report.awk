# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The records of bench.sh ("cost side=ours l1=minimal ..."), in; table and goals, out, and
# as JSON to the file `json`.  Each goal has a limit, and a bound: a goal is met within its
# limit, missed beyond it, and has failed beyond its bound.  Status 1 if a goal has failed,
# if something was not measured, or if L1 or L2 did not see the same values everywhere.

function key(side, l1, policy) { return side SUBSEP l1 SUBSEP policy }

function instructions_of(side, l1, policy,    k)
{
	k = key(side, l1, policy)
	return k in instructions ? instructions[k] : ""
}

# Of the costs on ours to those on the distribution's modules; "" if either is missing.
function ratio(l1, policy,    ours, stock)
{
	ours = instructions_of("ours", l1, policy)
	stock = instructions_of("stock", l1, "module")
	return ours == "" || stock == "" ? "" : ours / stock
}

function difference(a, b) { return a == "" || b == "" ? "" : a - b }

function within(value, relation, limit)
{
	return value != "" && (relation == "<=" ? value + 0 <= limit : value + 0 >= limit)
}

# @bound: the limit, if it is left out
function goal(name, value, relation, limit, bound)
{
	goal_name[++nr_goals] = name
	goal_value[nr_goals] = value
	goal_relation[nr_goals] = relation
	goal_limit[nr_goals] = limit
	goal_bound[nr_goals] = bound == "" ? limit : bound
	if (within(value, relation, limit)) {
		goal_state[nr_goals] = "met"
		met++
	} else if (within(value, relation, goal_bound[nr_goals])) {
		goal_state[nr_goals] = "missed"
	} else {
		goal_state[nr_goals] = "FAILED"
		failed++
	}
}

# Digits in groups of three.
function grouped(number,    text, result)
{
	if (number == "")
		return "-"
	for (text = sprintf("%.0f", number); length(text) > 3; text = substr(text, 1, length(text) - 3))
		result = "," substr(text, length(text) - 2) result
	return text result
}

function or_null(value) { return value == "" ? "null" : value }

{
	delete v
	for (i = 2; i <= NF; i++) {
		at = index($i, "=")
		v[substr($i, 1, at - 1)] = substr($i, at + 1)
	}
	k = key(v["side"], v["l1"], v["policy"])
}

$1 == "kernel" { release = v["release"] }

$1 == "cost" {
	order[++nr_costs] = k
	side[k] = v["side"]; l1[k] = v["l1"]; policy[k] = v["policy"]
	instructions[k] = v["instructions"]
	exits[k] = v["exits"]
	if (!(v["l1"] in values)) {
		values[v["l1"]] = v["values"]
		l1s[++nr_l1s] = v["l1"]
	}
}

$1 == "count" {
	vmreads[k] = v["vmreads"]; vmwrites[k] = v["vmwrites"]
	vmptrlds[k] = v["vmptrlds"]; vmclears[k] = v["vmclears"]
}

($1 == "cost" || $1 == "count") && v["values"] != values[v["l1"]] {
	differing = differing " " v["l1"] "/" v["policy"]
}

$1 == "switch" {
	switches[++nr_switches] = v["l1"] SUBSEP v["from"] SUBSEP v["to"]
	taking_up[nr_switches] = v["instructions"]
	setting[nr_switches] = v["set"]
	if (v["instructions"] + 0 > dearest_switch + 0)
		dearest_switch = v["instructions"]
}

function check_goals(    i)
{
	# Most of what those cost that leave for L0 again and again is the exits, which
	# cost the same; but no VM that nobody touched may be dearer than on stock.
	for (i = 1; i <= nr_l1s; i++)
		goal("untouched VM, " l1s[i] ", to stock", ratio(l1s[i], "untouched"), "<=", 0.98, 1)
	goal("trimmed, minimal, to stock", ratio("minimal", "trimmed"), "<=", 0.95)
	goal("best, chatty, to stock", ratio("chatty", "best"), "<=", 0.40)
	goal("best, emulating, to stock", ratio("emulating", "best"), "<=", 0.60)
	# The faster the copies are, the less legacy's nine fields cost; but cost they must.
	goal("legacy minus untouched, minimal, instructions",
	     difference(instructions_of("ours", "minimal", "legacy"),
			instructions_of("ours", "minimal", "untouched")), ">=", 80, 1)
	goal("legacy minus untouched, minimal, VMREADs",
	     difference(vmreads[key("ours", "minimal", "legacy")],
			vmreads[key("ours", "minimal", "untouched")]), ">=", 9)
	goal("dearest switch, instructions per vCPU", dearest_switch, "<=", 20000)
}

function print_costs(    i, k, format)
{
	format = "%-14s %-14s %12s %8s %9s %8s %9s %9s %9s\n"
	printf "Per round trip L2 -> L1 -> L2, kernel %s:\n\n", release
	printf format, "L1", "policy", "instructions", "to stock", "L1 exits", "VMREADs",
		"VMWRITEs", "VMPTRLDs", "VMCLEARs"
	for (i = 1; i <= nr_l1s; i++)
		for (k = 1; k <= nr_costs; k++)
			if (l1[order[k]] == l1s[i])
				print_cost(order[k], format)
	printf "\n(stock): the distribution's modules.  L1 exits: from L1 to L0.  The last\n"
	printf "four: instructions that L0 executed.\n"
}

function print_cost(k, format)
{
	printf format, l1[k], side[k] == "stock" ? "(stock)" : policy[k],
		grouped(instructions[k]),
		side[k] == "stock" ? "1.000" : sprintf("%.3f", ratio(l1[k], policy[k])), exits[k],
		grouped(vmreads[k]), grouped(vmwrites[k]), grouped(vmptrlds[k]), grouped(vmclears[k])
}

function print_switches(    i, s, format)
{
	format = "%-14s %-14s %-14s %12s %8s\n"
	printf "\nInstructions for a switch of policy:\n\n"
	printf format, "L1", "from", "to", "taking up", "setting"
	for (i = 1; i <= nr_switches; i++) {
		split(switches[i], s, SUBSEP)
		printf format, s[1], s[2], s[3], grouped(taking_up[i]), grouped(setting[i])
	}
	printf "\nTaking up: what each vCPU pays, once, at its next entry into L1; a vCPU that runs is\n"
	printf "made to leave L1 or L2 for it, which is one exit more.  Setting: the caller's ioctl.\n"
}

# Ratios have digits, instructions have not.
function goal_format(i) { return goal_relation[i] == "<=" && goal_limit[i] <= 1 ? "%.3f" : "%.0f" }

function goal_text(i)
{
	return goal_value[i] == "" ? "-" : sprintf(goal_format(i), goal_value[i])
}

function missed_by(i,    by)
{
	if (goal_state[i] == "met" || goal_value[i] == "")
		return ""
	by = goal_value[i] - goal_limit[i]
	return sprintf("   by " goal_format(i), by < 0 ? -by : by)
}

function print_goals(    i)
{
	printf "\nGoals:\n\n"
	for (i = 1; i <= nr_goals; i++)
		printf "%-7s %-48s %10s   %s %s%s%s\n", goal_state[i], goal_name[i], goal_text(i),
			goal_relation[i], goal_limit[i], missed_by(i),
			goal_bound[i] == goal_limit[i] ? "" : "   (fails unless " goal_relation[i] " " goal_bound[i] ")"
	printf "\nFailed, and with it this run: what is beyond the limit, or where a goal has a bound that is\n"
	printf "wider, beyond that; also a value that was not measured.\n"
	if (differing != "")
		printf "\nL1 or L2 did not see the same values everywhere:%s\n", differing
}

function write_json(    i, k, s)
{
	printf "{\n\t\"kernel\": \"%s\",\n\t\"round_trips\": [\n", release >json
	for (i = 1; i <= nr_costs; i++) {
		k = order[i]
		printf "\t\t{ \"l1\": \"%s\", \"modules\": \"%s\", \"policy\": %s, \"instructions\": %s, \"ratio\": %s, \"l1_exits\": %s, " \
		       "\"vmreads\": %s, \"vmwrites\": %s, \"vmptrlds\": %s, \"vmclears\": %s }%s\n",
			l1[k], side[k], side[k] == "stock" ? "null" : "\"" policy[k] "\"",
			instructions[k], side[k] == "stock" ? 1 : sprintf("%.4f", ratio(l1[k], policy[k])),
			exits[k], or_null(vmreads[k]), or_null(vmwrites[k]), or_null(vmptrlds[k]),
			or_null(vmclears[k]), i < nr_costs ? "," : "" >json
	}
	printf "\t],\n\t\"switches\": [\n" >json
	for (i = 1; i <= nr_switches; i++) {
		split(switches[i], s, SUBSEP)
		printf "\t\t{ \"l1\": \"%s\", \"from\": \"%s\", \"to\": \"%s\", \"taking_up\": %s, \"setting\": %s }%s\n",
			s[1], s[2], s[3], taking_up[i], setting[i], i < nr_switches ? "," : "" >json
	}
	printf "\t],\n\t\"goals\": [\n" >json
	for (i = 1; i <= nr_goals; i++)
		printf "\t\t{ \"name\": \"%s\", \"value\": %s, \"relation\": \"%s\", \"limit\": %s, \"bound\": %s, \"state\": \"%s\" }%s\n",
			goal_name[i], or_null(goal_value[i]), goal_relation[i], goal_limit[i],
			goal_bound[i], tolower(goal_state[i]), i < nr_goals ? "," : "" >json
	printf "\t]\n}\n" >json
}

END {
	check_goals()
	print_costs()
	print_switches()
	print_goals()
	write_json()
	printf "\n%d of %d goals met, %d failed; all figures are in %s\n", met, nr_goals, failed, json
	exit failed || differing != "" || !nr_costs
}
