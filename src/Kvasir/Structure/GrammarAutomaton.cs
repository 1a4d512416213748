using System.Diagnostics.CodeAnalysis;

namespace Kvasir.Structure;

/// <summary>
/// A grammar over the tokens of one vocabulary. Its deterministic states and their masks are made when they are first met and kept for all sequences that share
/// it; threads may share it. What is kept is bounded: past that it begins anew, and sequences go on from the states that they hold.
/// </summary>
internal sealed class GrammarAutomaton
{
    private const int MostStates = 20_000;
    private const int MostMaskBytes = 4 << 20;
    private readonly Lock _making = new();
    private readonly GrammarProgram _program;
    private readonly VocabularyTrie _vocabulary;
    private readonly HashSet<GrammarState> _states = new(ThreadsAreEqual.Instance);
    private readonly Dictionary<(GrammarStack?, int Step, int Count, bool IsNested), GrammarStack> _stacks = [];
    private readonly Dictionary<GrammarStack, GrammarStack> _typical = [];
    private readonly Stack<(int Step, int Count, GrammarStack? Stack)> _open = new();
    private readonly HashSet<(int Step, int Count, GrammarStack? Stack)> _seen = [];
    private readonly List<GrammarThread> _found = [];
    private readonly GrammarStack _unreachable = new(null, GrammarBuilder.Never, 0, 0, -1);
    private readonly GrammarState[] _path;
    private readonly List<int> _allowed = [];
    private readonly GrammarState _dead;
    private int _maskBytes;
    private int _stackIds;

    public GrammarAutomaton(GrammarProgram program, VocabularyTrie vocabulary)
    {
        (_program, _vocabulary) = (program, vocabulary);
        _path = new GrammarState[vocabulary.LongestBytes + 1];
        _dead = new GrammarState([], false, program.ClassCount);
        Start = Closed((program.Start, 0, null));
    }

    public GrammarState Start { get; }

    public VocabularyTrie Vocabulary => _vocabulary;

    /// <summary>States that are kept.</summary>
    public int StateCount => _states.Count;

    /// <summary>Where a token leads; a state that is over and not complete where it is not allowed.</summary>
    public GrammarState Next(GrammarState state, int token)
    {
        var bytes = _vocabulary.Tokenizer.Bytes(token);
        if (bytes.IsEmpty)
            return NextByControl(state, token);
        foreach (var value in bytes)
            state = Next(state, value);
        return state;
    }

    public GrammarState Next(GrammarState state, byte value) => state.Next[_program.Classes[value]] ?? Make(state, _program.Classes[value]);

    /// <summary>The tokens that may come next.</summary>
    public TokenMask Mask(GrammarState state) => state.Typical?.Mask ?? MakeMask(state);

    private GrammarState NextByControl(GrammarState state, int token)
    {
        lock (_making)
        {
            Begin();
            foreach (var thread in state.Threads)
            {
                if (_program.Steps[thread.Step] is { Kind: StepKind.Control } step && step.Argument == token)
                    _open.Push((step.Next, 0, thread.Stack));
            }

            return Finish();
        }
    }

    private GrammarState Make(GrammarState state, byte byteClass)
    {
        lock (_making)
        {
            Begin();
            foreach (var thread in state.Threads)
            {
                var step = _program.Steps[thread.Step];
                if (step.Kind == StepKind.Bytes && _program.Contains(step.Argument, byteClass))
                    _open.Push((step.Next, 0, thread.Stack));
            }

            var next = Finish();
            Volatile.Write(ref state.Next[byteClass], next);
            return next;
        }
    }

    private TokenMask MakeMask(GrammarState state)
    {
        lock (_making)
        {
            var typical = state.Typical ??= Typical(state);
            if (typical.Mask is { } known)
                return known;
            var mask = Allowed(typical);
            _maskBytes += mask.Bytes;
            if (_maskBytes > MostMaskBytes)
                Forget();
            typical.Mask = mask;
            return mask;
        }
    }

    // States that sequences hold stay as they are; what they lead to is kept by them alone.
    private void Forget()
    {
        foreach (var state in _states)
            (state.Mask, state.Typical) = (null, null);
        _states.Clear();
        _stacks.Clear();
        _typical.Clear();
        _maskBytes = 0;
    }

    private TokenMask Allowed(GrammarState start)
    {
        _allowed.Clear();
        var vocabulary = _vocabulary;
        var (bytes, depths, tokens, skips) = (vocabulary.Bytes, vocabulary.Depths, vocabulary.Tokens, vocabulary.Skips);
        _path[0] = start;
        for (var node = 0; node < bytes.Length;)
        {
            var next = Next(_path[depths[node] - 1], bytes[node]);
            if (next == _dead)
            {
                node = skips[node];
                continue;
            }

            _path[depths[node]] = next;
            if (tokens[node] >= 0)
            {
                _allowed.Add(tokens[node]);
                _allowed.AddRange(vocabulary.Alike(tokens[node]));
            }

            node++;
        }

        Array.Clear(_path);
        AddControls(start);
        return new TokenMask([.. _allowed], vocabulary.Tokenizer.VocabularySize);
    }

    private void AddControls(GrammarState state)
    {
        var ends = _vocabulary.Tokenizer.EndTokens;
        if (state.IsComplete)
            _allowed.AddRange(ends);
        foreach (var thread in state.Threads)
        {
            var step = _program.Steps[thread.Step];
            if (step.Kind == StepKind.Control && !_allowed.Contains(step.Argument))
                _allowed.Add(step.Argument);
        }
    }

    private GrammarState Closed((int Step, int Count, GrammarStack? Stack) start)
    {
        Begin();
        _open.Push(start);
        return Finish();
    }

    private void Begin()
    {
        _open.Clear();
        _seen.Clear();
        _found.Clear();
    }

    private GrammarState Finish()
    {
        var isComplete = false;
        while (_open.TryPop(out var at))
        {
            if (_seen.Add(at))
                isComplete |= Follow(at.Step, at.Count, at.Stack);
        }

        return _found.Count == 0 && !isComplete ? _dead : Kept(isComplete);
    }

    private GrammarState Kept(bool isComplete)
    {
        _found.Sort(static (x, y) => x.Step != y.Step ? x.Step.CompareTo(y.Step) : (x.Stack?.Id ?? 0).CompareTo(y.Stack?.Id ?? 0));
        var state = new GrammarState([.. _found], isComplete, _program.ClassCount);
        if (_states.TryGetValue(state, out var known))
            return known;
        if (_states.Count >= MostStates)
            Forget();
        _states.Add(state);
        return state;
    }

    // True where the text may end.
    private bool Follow(int number, int count, GrammarStack? stack)
    {
        var step = _program.Steps[number];
        switch (step.Kind)
        {
            case StepKind.Return when stack is null:
                return true;
            case StepKind.Return:
                _open.Push((stack.Step, stack.Count, stack.Parent));
                break;
            case StepKind.Branch:
                foreach (var target in _program.Targets.AsSpan(step.Argument, step.Extra))
                    _open.Push((target, 0, stack));
                break;
            case StepKind.Guard when (stack?.Depth ?? 0) + step.Argument <= GrammarProgram.MostDepth:
                _open.Push((step.Next, 0, stack));
                break;
            case StepKind.Call:
                _open.Push((step.Argument, 0, Push(stack, step.Next, 0, step.Extra != 0)));
                break;
            case StepKind.Count:
                FollowCount(step, count, stack);
                break;
            case StepKind.Bytes or StepKind.Control:
                _found.Add(new GrammarThread(number, stack));
                break;
        }

        return false;
    }

    private void FollowCount(in GrammarStep step, int count, GrammarStack? stack)
    {
        var repetition = _program.Repetitions[step.Argument];
        if (repetition.CanEnd && count >= repetition.Least)
            _open.Push((step.Next, 0, stack));
        if (count >= repetition.Most)
            return;
        // Without an upper limit, turns beyond the least are all alike.
        var next = repetition.Most == int.MaxValue ? Math.Min(count + 1, repetition.Least) : count + 1;
        foreach (var (body, target) in repetition.Turns)
        {
            var turn = _program.Repetitions[_program.Steps[target].Argument];
            if (turn.Lengths?.Allows(turn.State, next) != false)
                _open.Push((body, 0, Push(stack, target, next, isNested: false)));
        }
    }

    private GrammarStack Push(GrammarStack? parent, int step, int count, bool isNested)
    {
        var key = (parent, step, count, isNested);
        if (_stacks.TryGetValue(key, out var known))
            return known;
        return _stacks[key] = new GrammarStack(parent, step, count, (parent?.Depth ?? 0) + (isNested ? 1 : 0), ++_stackIds);
    }

    // No token has more bytes than the longest, and closes more than one of them does: what lies deeper, and turns that are further away, are the same to all.
    private GrammarState Typical(GrammarState state)
    {
        if (state == _dead)
            return state;
        _found.Clear();
        foreach (var thread in state.Threads)
            _found.Add(thread with { Stack = thread.Stack is null ? null : Typical(thread.Stack) });
        return Kept(state.IsComplete);
    }

    private GrammarStack Typical(GrammarStack stack)
    {
        if (_typical.TryGetValue(stack, out var known))
            return known;
        var frames = new List<GrammarStack>();
        var (frame, nested) = (stack, 0);
        while (frame is not null && nested < _vocabulary.MostClosed + 2)
        {
            frames.Add(frame);
            nested += frame.IsNested ? 1 : 0;
            frame = frame.Parent;
        }

        // Where the limit of depth is far, it does not matter how far.
        var isFar = stack.Depth + _vocabulary.MostOpened + _program.Height <= GrammarProgram.MostDepth;
        var bottom = frame is null ? null : isFar ? _unreachable : Unreachable(frame.Depth);
        for (var i = frames.Count - 1; i >= 0; i--)
            bottom = Push(bottom, frames[i].Step, TypicalCount(frames[i]), frames[i].IsNested);
        return _typical[stack] = bottom!;
    }

    private GrammarStack Unreachable(int depth)
    {
        var bottom = _unreachable;
        while (bottom.Depth < depth)
            bottom = Push(bottom, GrammarBuilder.Never, 0, isNested: true);
        return bottom;
    }

    private int TypicalCount(GrammarStack frame)
    {
        var step = _program.Steps[frame.Step];
        if (step.Kind != StepKind.Count || _program.Repetitions[step.Argument] is not { Lengths: null } repetition)
            return frame.Count;
        var (count, reach) = (frame.Count, _vocabulary.LongestBytes + 1);
        if (count < repetition.Least)
            return repetition.Least - count > reach ? repetition.Least - reach : count;
        return repetition.Most != int.MaxValue && repetition.Most - count > reach ? Math.Max(repetition.Least, repetition.Most - reach) : count;
    }

    private sealed class ThreadsAreEqual : IEqualityComparer<GrammarState>
    {
        public static readonly ThreadsAreEqual Instance = new();

        public bool Equals(GrammarState? x, GrammarState? y) => x!.IsComplete == y!.IsComplete && x.Threads.AsSpan().SequenceEqual(y.Threads);

        public int GetHashCode([DisallowNull] GrammarState state)
        {
            var hash = default(HashCode);
            hash.Add(state.IsComplete);
            foreach (var thread in state.Threads)
                hash.Add(thread);
            return hash.ToHashCode();
        }
    }
}
