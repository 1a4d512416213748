namespace Kvasir.Tools.Test.Support;

/// <summary>Keys as a console reports them.</summary>
internal static class Key
{
    /// <summary>A character, or a control character as Ctrl with its letter.</summary>
    public static ConsoleKeyInfo Of(char c) => c switch
    {
        '\r' => Plain(ConsoleKey.Enter, c),
        '\e' => Plain(ConsoleKey.Escape, c),
        '\t' => Plain(ConsoleKey.Tab, c),
        < ' ' => Control(ConsoleKey.A + (c - 1), c),
        _ => Plain(ConsoleKey.None, c),
    };

    public static ConsoleKeyInfo Plain(ConsoleKey key, char c = '\0') => new(c, key, shift: false, alt: false, control: false);

    public static ConsoleKeyInfo Control(ConsoleKey key, char c = '\0') => new(c, key, shift: false, alt: false, control: true);

    public static ConsoleKeyInfo Alt(ConsoleKey key, char c = '\0') => new(c, key, shift: false, alt: true, control: false);
}
