using System.Text;

namespace Kvasir.Structure.Patterns;

/// <summary>
/// A regular expression as a deterministic automaton over characters, in which every state can still reach the end of a match.
/// State 0 begins; there is none where nothing matches.
/// </summary>
internal sealed class PatternAutomaton
{
    private readonly CompileBudget _budget;

    // The nondeterministic form: a set leads on to Next, or a split to Next and Other, or it accepts (Next is -1).
    private readonly List<(CodePointSet? Set, int Next, int Other)> _parts = [];

    private PatternAutomaton(CompileBudget budget) => _budget = budget;

    /// <summary>By state, whether a match may end there.</summary>
    public bool[] Accepts { get; private set; } = [];

    /// <summary>By state, where characters lead; sets of a state do not meet.</summary>
    public (CodePointSet Set, int Target)[][] Edges { get; private set; } = [];

    public static PatternAutomaton Of(PatternNode pattern, CompileBudget budget)
    {
        var automaton = new PatternAutomaton(budget);
        automaton._parts.Add((null, -1, -1));
        automaton.Determinise(automaton.Build(pattern, 0));
        automaton.Trim();
        return automaton;
    }

    /// <summary>Texts that are none of some.</summary>
    public static PatternAutomaton Except(IEnumerable<string> names, CompileBudget budget)
    {
        var automaton = new PatternAutomaton(budget);
        var children = new List<Dictionary<int, int>> { new() };
        var ends = new List<bool> { false };
        foreach (var name in names)
        {
            var at = 0;
            foreach (var rune in name.EnumerateRunes())
            {
                if (!children[at].TryGetValue(rune.Value, out var next))
                {
                    budget.Take();
                    children[at].Add(rune.Value, next = children.Count);
                    children.Add([]);
                    ends.Add(false);
                }

                at = next;
            }

            ends[at] = true;
        }

        // The state behind all of the names' is free.
        var free = children.Count;
        automaton.Accepts = [.. ends.Select(static end => !end), true];
        automaton.Edges = [.. children.Select(children => Leave(children, free)), [(CodePointSet.All, free)]];
        return automaton;
    }

    public bool Matches(string text)
    {
        var state = Edges.Length == 0 ? -1 : 0;
        foreach (var rune in text.EnumerateRunes())
        {
            if (state < 0)
                return false;
            var next = -1;
            foreach (var (set, target) in Edges[state])
                next = set.Contains(rune.Value) ? target : next;
            state = next;
        }

        return state >= 0 && Accepts[state];
    }

    private static (CodePointSet Set, int Target)[] Leave(Dictionary<int, int> children, int free)
    {
        var known = CodePointSet.Of([.. children.Keys.Select(static c => (c, c))]);
        return [(known.Complement(), free), .. children.Select(static child => (CodePointSet.Of((child.Key, child.Key)), child.Value))];
    }

    private int Add(CodePointSet? set, int next, int other = -1)
    {
        _budget.Take();
        _parts.Add((set, next, other));
        return _parts.Count - 1;
    }

    // From the end, so that what follows is known.
    private int Build(PatternNode pattern, int next)
    {
        switch (pattern)
        {
            case PatternSet { Set: var set }:
                return Add(set, next);
            case PatternSequence { Items: var items }:
                for (var i = items.Count - 1; i >= 0; i--)
                    next = Build(items[i], next);
                return next;
            case PatternChoice { Items: var items }:
                var start = Build(items[^1], next);
                for (var i = items.Count - 2; i >= 0; i--)
                    start = Add(null, Build(items[i], next), start);
                return start;
            default:
                return Build((PatternRepeat)pattern, next);
        }
    }

    private int Build(PatternRepeat repeat, int next)
    {
        var end = next;
        if (repeat.Most is null)
        {
            end = Add(null, 0, next);
            _parts[end] = (null, Build(repeat.Item, end), next);
        }

        for (var i = repeat.Least; i < (repeat.Most ?? 0); i++)
            end = Add(null, Build(repeat.Item, end), next);
        for (var i = 0; i < repeat.Least; i++)
            end = Build(repeat.Item, end);
        return end;
    }

    private void Determinise(int start)
    {
        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        var sets = new List<int[]>();
        int Id(HashSet<int> members)
        {
            int[] sorted = [.. members.Order()];
            var key = string.Join(',', sorted);
            if (ids.TryGetValue(key, out var id))
                return id;
            _budget.Take();
            _budget.Work(10 + (2 * sorted.Length));
            sets.Add(sorted);
            return ids[key] = sets.Count - 1;
        }

        Id(Closure([start]));
        var (accepts, edges) = (new List<bool>(), new List<(CodePointSet, int)[]>());
        for (var state = 0; state < sets.Count; state++)
        {
            accepts.Add(sets[state].Contains(0));
            edges.Add(Targets(sets[state], Id));
        }

        (Accepts, Edges) = ([.. accepts], [.. edges]);
    }

    private HashSet<int> Closure(IEnumerable<int> start)
    {
        var members = new HashSet<int>();
        var open = new Stack<int>(start);
        while (open.TryPop(out var part))
        {
            _budget.Work();
            if (!members.Add(part) || _parts[part].Set is not null || part == 0)
                continue;
            open.Push(_parts[part].Next);
            open.Push(_parts[part].Other);
        }

        return members;
    }

    // Between two borders of the sets that may come, every character leads to the same place.
    private (CodePointSet, int)[] Targets(int[] members, Func<HashSet<int>, int> id)
    {
        var moves = members.Where(part => _parts[part].Set is not null).Select(part => (Set: _parts[part].Set!, _parts[part].Next)).ToArray();
        var borders = new SortedSet<int>();
        foreach (var (set, _) in moves)
        {
            foreach (var (first, last) in set.Ranges)
            {
                borders.Add(first);
                borders.Add(last + 1);
            }
        }

        var ranges = new Dictionary<int, List<(int, int)>>();
        var targets = new Dictionary<string, int>(StringComparer.Ordinal);
        int[] starts = [.. borders];
        for (var i = 0; i + 1 < starts.Length; i++)
        {
            _budget.Work(8 + (2 * moves.Length));
            var nexts = moves.Where(move => move.Set.Contains(starts[i])).Select(static move => move.Next).Distinct().Order().ToArray();
            if (nexts.Length == 0)
                continue;
            var key = string.Join(',', nexts);
            if (!targets.TryGetValue(key, out var target))
                targets[key] = target = id(Closure(nexts));
            if (!ranges.TryGetValue(target, out var list))
                ranges[target] = list = [];
            list.Add((starts[i], starts[i + 1] - 1));
        }

        return [.. ranges.Select(static pair => (CodePointSet.Of([.. pair.Value]), pair.Key))];
    }

    // States from which no match can end are left out.
    private void Trim()
    {
        var live = (bool[])Accepts.Clone();
        for (var changed = true; changed;)
        {
            changed = false;
            for (var state = live.Length - 1; state >= 0; state--)
            {
                _budget.Work();
                if (!live[state] && Edges[state].Any(edge => live[edge.Target]))
                    changed = live[state] = true;
            }
        }

        var numbers = new int[live.Length];
        var count = 0;
        for (var state = 0; state < live.Length; state++)
            numbers[state] = live[state] ? count++ : -1;
        if (live.Length == 0 || !live[0])
        {
            (Accepts, Edges) = ([], []);
            return;
        }

        Edges =
        [
            .. Edges.Where((_, state) => live[state])
                .Select(edges => edges.Where(edge => live[edge.Target]).Select(edge => (edge.Set, numbers[edge.Target])).ToArray()),
        ];
        Accepts = [.. Accepts.Where((_, state) => live[state])];
    }
}
