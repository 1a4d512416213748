namespace Kvasir.Cli.Terminal;

/// <summary>
/// Escape sequences that arrive as single keys, because the console does not know them: the marks around a paste are told apart,
/// the others swallowed, so that no key leaves its entrails in the line.
/// </summary>
internal sealed class EscapeKeys
{
    private const int LimitChars = 16;
    private string _sequence = "";

    /// <summary>Between the marks that a terminal sends around a paste (bracketed paste mode).</summary>
    public bool IsPasting { get; private set; }

    /// <summary>Whether the key belongs to a sequence and is dealt with.</summary>
    public bool Takes(ConsoleKeyInfo key)
    {
        if (key.KeyChar == '\e')
        {
            _sequence = "\e";
            return true;
        }

        if (_sequence.Length == 0)
            return false;
        if (_sequence.Length == 1 && key.KeyChar is not ('[' or 'O'))
        {
            _sequence = "";
            return false;
        }

        _sequence += key.KeyChar;
        if (_sequence.Length == 2 || (key.KeyChar is >= ' ' and < '@' && _sequence.Length < LimitChars))
            return true;
        IsPasting = _sequence switch
        {
            "\e[200~" => true,
            "\e[201~" => false,
            _ => IsPasting,
        };
        _sequence = "";
        return true;
    }
}
