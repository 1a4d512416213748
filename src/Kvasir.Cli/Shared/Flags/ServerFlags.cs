namespace Kvasir.Cli.Shared.Flags;

/// <summary>Which running server is asked.</summary>
internal static class ServerFlags
{
    /// <summary>Where <c>kvasir serve</c> listens unless it is told otherwise.</summary>
    public const string Usual = "http://localhost:8080";

    public static readonly ValueFlag<string> Server = new("--server", $"A running server's address; its key is taken from {KeyVariable}", FlagValues.Text);

    /// <summary>Of the environment, since command lines are there for everyone to see.</summary>
    public const string KeyVariable = "KVASIR_API_KEY";
}
