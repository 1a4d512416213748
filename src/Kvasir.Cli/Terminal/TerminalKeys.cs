namespace Kvasir.Cli.Terminal;

/// <summary>Keys of the console. At the prompt Ctrl-C is a key; while an answer is computed it is a signal.</summary>
internal sealed class TerminalKeys
{
    private bool _takesControlC;

    public ConsoleKeyInfo Read()
    {
        if (!_takesControlC)
            Console.TreatControlCAsInput = _takesControlC = true;
        try
        {
            return Console.ReadKey(intercept: true);
        }
        finally
        {
            // While more keys wait somebody still types or pastes: the terminal is set once for all of them.
            if (!IsWaiting())
                Console.TreatControlCAsInput = _takesControlC = false;
        }
    }

    public static bool IsWaiting() => Console.KeyAvailable;
}
