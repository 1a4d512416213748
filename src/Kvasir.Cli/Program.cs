System.Console.WriteLine("kvasir");
