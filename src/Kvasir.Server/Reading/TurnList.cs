using Kvasir.Text;

namespace Kvasir.Server.Reading;

/// <summary>
/// Turns of a conversation as most templates take them: with one system message at the beginning, where clients send several. These are joined once, when all
/// are there: of thousands, joined one by one, the first would be copied thousands of times.
/// </summary>
internal sealed class TurnList
{
    /// <summary>What joins messages of the system.</summary>
    public const string Between = "\n\n";
    private readonly List<ChatTurn> _turns = [];
    private readonly List<string> _system = [];

    public int Count => _turns.Count;

    /// <summary>Whether a system message that comes next is a part of the first turn.</summary>
    public bool IsSystemOpen => _turns is [] or [{ Role: "system" }];

    /// <summary>Characters of the first turn, if it is the system's, before a part that comes next.</summary>
    public int SystemLength { get; private set; }

    public void Add(ChatTurn turn)
    {
        if (turn.Role != "system" || !IsSystemOpen)
        {
            _turns.Add(turn);
            return;
        }

        if (_turns.Count == 0)
            _turns.Add(turn);
        _system.Add(turn.Content ?? "");
        SystemLength += _system[^1].Length + Between.Length;
    }

    /// <summary>All of them, when no more will come.</summary>
    public IReadOnlyList<ChatTurn> Join()
    {
        if (_system.Count > 1)
            _turns[0] = _turns[0] with { Content = string.Join(Between, _system) };
        _system.Clear();
        return _turns;
    }
}
